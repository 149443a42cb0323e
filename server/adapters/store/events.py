"""Event logs of the owner's conversations."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, case, func, literal_column, select, text, update

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.payloads import (
    MESSAGE_COMPLETED,
    MESSAGE_STARTED,
    REASONING_DELTA,
    TEXT_DELTA,
    dump_payload,
    kinds_of,
    load_payload,
)
from server.adapters.store.predicates import IS_WANTED
from server.adapters.store.scope import Scope
from server.adapters.store.statement import TENANT, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.adapters.store.webhook_tables import IS_ENABLED
from server.domain.errors import ConversationNotFound
from server.domain.events import (
    Event,
    MessageCompleted,
    MessageStarted,
    PartialAnswer,
    Payload,
    ReasoningDelta,
    TextDelta,
)
from server.domain.ids import ConversationId, RunId
from server.domain.webhook_facts import TOLD

_table = tables.run_events
_c = _table.c
_conversation = tables.conversations.c
COLUMNS: Final = (
    *(_c.conversation_id, _conversation.key, _c.sequence, _c.created_at, _c.kind, _c.payload, _c.run_id, _c.epoch),
    _c.actor,
)
"""What `event_of` makes an event of, selected from `LOGGED`."""
LOGGED: Final = _table.join(tables.conversations, _conversation.id == _c.conversation_id)

_NEXT_SEQUENCES = owned(
    update(tables.conversations)
    .where(_conversation.id == bindparam("conversation_id"))
    .values(last_sequence=_conversation.last_sequence + bindparam("count", type_=BigInteger))
    .returning(_conversation.last_sequence, _conversation.key),
    tables.conversations,
)
# Kept for a publisher if there is one, whose row is the only one of that name: see `outbox`.
_is_wanted = select(func.count()).select_from(tables.event_publisher).where(text(IS_WANTED)).scalar_subquery()
_webhook = tables.webhooks.c
_has_webhooks = (
    select(literal_column("1")).where(_webhook.tenant == bindparam(TENANT), text(f"webhooks.{IS_ENABLED}")).exists()
)
_YES: Final[ColumnElement[int]] = literal_column("1")
_NO: Final[ColumnElement[int]] = literal_column("0")
# Whether the tenant has webhooks is looked up for the few kinds alone that they can be told of: see `webhook_queue`.
_may_be_told = parameter(_c.kind).in_([literal_column(f"'{kind}'") for kind in kinds_of(TOLD)])
_is_untold = case((_may_be_told, case((_has_webhooks, _YES), else_=_NO)), else_=_NO)
_INSERT = owned_insert(_table, unpublished=_is_wanted, untold=_is_untold)

_behind = _c.sequence > bindparam("after", type_=BigInteger)
_of_run = _c.run_id == parameter(_c.run_id)
_logged = select(*COLUMNS).select_from(LOGGED)
_AFTER = owned(
    _logged.where(_c.conversation_id == parameter(_c.conversation_id), _behind).order_by(_c.sequence).limit(LIMIT),
    _table,
)
_FIRST = owned(select(func.min(_c.sequence)).where(_c.conversation_id == parameter(_c.conversation_id)), _table)
_OF_RUN_AFTER = owned(_logged.where(_of_run, _behind).order_by(_c.sequence).limit(LIMIT), _table)
_KINDS_OF_ANSWERS: Final = (MESSAGE_STARTED, TEXT_DELTA, REASONING_DELTA, MESSAGE_COMPLETED)
_SAID = owned(
    select(_c.kind, _c.payload)
    .where(
        _of_run,
        _c.epoch == parameter(_c.epoch),
        _c.kind.in_([literal_column(f"'{kind}'") for kind in _KINDS_OF_ANSWERS]),
    )
    .order_by(_c.sequence),
    _table,
)


class StoredEvents:
    """See `ports.store.Events`. `record` is told what the transaction adds, while it holds the conversation's row: of
    two transactions on one conversation, the one with the lower sequences is the first to tell."""

    __slots__ = ("_record", "_scope")

    def __init__(self, scope: Scope, record: Callable[[Sequence[Event]], None]) -> None:
        self._scope = scope
        self._record = record

    async def append(
        self,
        conversation_id: ConversationId,
        payloads: Sequence[Payload],
        *,
        now: datetime,
        run_id: RunId | None = None,
        epoch: int | None = None,
        actor: str | None = None,
    ) -> list[Event]:
        """Add events at the end of the log, in order. Raises `ConversationNotFound`."""
        if not payloads:
            return []
        row = await self._scope.fetch_one(_NEXT_SEQUENCES, conversation_id=conversation_id, count=len(payloads))
        if row is None:
            raise ConversationNotFound(conversation_id)
        last, key = row
        first = last - len(payloads) + 1
        events = [
            Event(conversation_id, key, sequence, now, payload, run_id, epoch, actor)
            for sequence, payload in enumerate(payloads, first)
        ]
        self._record(events)
        await self._scope.insert(_INSERT, [_values(event) for event in events])
        return events

    async def after(self, conversation_id: ConversationId, sequence: int, *, limit: int) -> list[Event]:
        """Events behind a sequence, in order."""
        rows = await self._scope.fetch(_AFTER, conversation_id=conversation_id, after=sequence, limit=limit)
        return [event_of(row) for row in rows]

    async def first_kept(self, conversation_id: ConversationId) -> int | None:
        """The sequence of the first event that is still there."""
        row = await self._scope.fetch_one(_FIRST, conversation_id=conversation_id)
        return None if row is None else row[0]

    async def of_run_after(self, run_id: RunId, sequence: int, *, limit: int) -> list[Event]:
        """Events of one run behind a sequence, in order."""
        rows = await self._scope.fetch(_OF_RUN_AFTER, run_id=run_id, after=sequence, limit=limit)
        return [event_of(row) for row in rows]

    async def partial_answer(self, run_id: RunId, *, epoch: int) -> PartialAnswer | None:
        """What an attempt has said so far in the message that it started last; `None` when that is whole."""
        rows = await self._scope.fetch(_SAID, run_id=run_id, epoch=epoch)
        return _joined([load_payload(kind, payload) for kind, payload in rows])


def _joined(said: Sequence[Payload]) -> PartialAnswer | None:
    started = [payload for payload in said if isinstance(payload, MessageStarted)]
    if not started:
        return None
    message_id = started[-1].message_id
    if any(isinstance(payload, MessageCompleted) and payload.message.id == message_id for payload in said):
        return None
    texts = [delta.text for delta in said if isinstance(delta, TextDelta) and delta.message_id == message_id]
    thoughts = [delta.text for delta in said if isinstance(delta, ReasoningDelta) and delta.message_id == message_id]
    return PartialAnswer(message_id, "".join(texts), "".join(thoughts))


def _values(event: Event) -> dict[str, object]:
    kind, payload = dump_payload(event.payload)
    return {
        "conversation_id": event.conversation_id,
        "sequence": event.sequence,
        "created_at": micros(event.created_at),
        "run_id": event.run_id,
        "epoch": event.epoch,
        "actor": event.actor,
        "kind": kind,
        "payload": payload,
    }


def event_of(row: Row) -> Event:
    """The event of a row of `COLUMNS`."""
    conversation_id, key, sequence, created, kind, payload, run_id, epoch, actor = row
    return Event(conversation_id, key, sequence, moment(created), load_payload(kind, payload), run_id, epoch, actor)
