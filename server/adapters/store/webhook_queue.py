"""What is queued for webhooks, whoever's they are. See `ports.webhooks.WebhookQueue`.

Whoever queues, attempts or lets go of something holds the webhook's row from the first statement to the commit. So what
is behind another delivery is found when that is over, and what is due when its server lets go.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from server.adapters.store import events, outbox, tables
from server.adapters.store.batches import delete_some, update_some
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.predicates import GRAVE, IS_BURIED, IS_UNTOLD
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, micros_or_none
from server.adapters.store.webhook_rows import (
    DELIVERY_COLUMNS,
    NOTHING_DUE,
    WEBHOOK_COLUMNS,
    delivery_of,
    seen_of,
    values_of,
    webhook_of,
)
from server.adapters.store.webhook_tables import (
    IS_BEHIND,
    IS_ENABLED,
    IS_PENDING_DELIVERY,
    IS_SETTLED,
    IS_WAITING_DELIVERY,
)
from server.domain.ids import ConversationId, RunId, WebhookId, WorkerId
from server.domain.outbox import Outlet, Span, Unpublished
from server.domain.principal import Owner
from server.domain.run import Lease
from server.domain.webhook import Delivery, DeliveryState, Due, Webhook

_event, _w, _d = tables.run_events.c, tables.webhooks.c, tables.webhook_deliveries.c
_conversations, _messages = tables.conversations.c, tables.messages.c
_one = _w.id == bindparam("webhook", type_=STRING)
_of_webhook = _d.webhook_id == bindparam("webhook", type_=STRING)
_now = bindparam("now", type_=BigInteger)
_until = bindparam("until", type_=BigInteger)
_worker = bindparam("worker", type_=STRING)
_is_enabled = text(f"webhooks.{IS_ENABLED}")
_is_pending: Final[ColumnElement[bool]] = literal_column(f"webhook_deliveries.{IS_PENDING_DELIVERY}")
_one_row: Final[ColumnElement[int]] = literal_column("1")

_UNTOLD = Statement(
    select(*events.COLUMNS, _event.tenant, _event.owner)
    .select_from(events.LOGGED)
    .where(text(f"run_events.{IS_UNTOLD}"), text(f"NOT conversations.{IS_BURIED}"))
    .order_by(_event.conversation_id, _event.sequence)
    .limit(LIMIT)
)
_TOLD = Statement(
    update(tables.run_events)
    .where(
        _event.conversation_id == bindparam("conversation", type_=STRING),
        _event.sequence.between(bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)),
        text(IS_UNTOLD),
    )
    .values(untold=literal_column("0"))
)
_LISTENING = Statement(
    select(*WEBHOOK_COLUMNS)
    .where(_w.tenant == bindparam("of_tenant", type_=STRING), _is_enabled)
    .order_by(_w.id)
    .with_for_update()
)
_some_waiting = select(_d.id).where(_of_webhook, text(IS_WAITING_DELIVERY)).limit(LIMIT).subquery()
_WAITING = Statement(select(func.count()).select_from(_some_waiting))
_ahead = tables.webhook_deliveries.alias("ahead")
_is_behind = (
    select(_one_row)
    .where(
        _ahead.c.conversation_id == parameter(_d.conversation_id),
        _ahead.c.webhook_id == parameter(_d.webhook_id),
        text(f"ahead.{IS_WAITING_DELIVERY} AND ahead.ordered = 1"),
    )
    .exists()
)
_is_anybodys = _conversations.owner != literal_column(f"'{GRAVE}'")
_new: Final[dict[str, ColumnElement[Any]]] = {
    **{column.name: parameter(column) for column in _d},
    "state": case(
        (_is_behind, literal_column(f"'{DeliveryState.BEHIND}'")),
        else_=literal_column(f"'{DeliveryState.PENDING}'"),
    ),
}
# From the conversation, which may have gone since its events were read: then there is nobody to tell of. The lock
# waits for whoever is deleting it, and keeps it until this is committed.
_QUEUE = Statement(
    insert(tables.webhook_deliveries).from_select(
        list(_new),
        select(*_new.values())
        .select_from(tables.conversations)
        .where(_conversations.id == parameter(_d.conversation_id), _is_anybodys)
        .with_for_update(read=True, key_share=True),
    )
)
_at_once = case((_w.quiet_until > _now, _w.quiet_until), else_=_now)
_ROUSE = Statement(
    update(tables.webhooks)
    .where(_one)
    .values(
        next_due=case((_w.next_due < _at_once, _w.next_due), else_=_at_once),
        dropped=_w.dropped + bindparam("more_dropped", type_=BigInteger),
    )
)

_is_free = (_is_enabled, _w.next_due <= _now, _w.lease_until <= _now)
_DUE_WEBHOOKS = Statement(select(_w.id).where(*_is_free).order_by(_w.next_due, _w.id).limit(LIMIT))
_CLAIM = Statement(
    update(tables.webhooks)
    .where(_one, *_is_free)
    .values(lease_worker=_worker, lease_until=_until, lease_epoch=_w.lease_epoch + _one_row)
    .returning(_w.lease_epoch)
)
_HOLD = Statement(
    update(tables.webhooks)
    .where(_one, _is_enabled, _w.lease_worker == _worker, _w.lease_epoch == bindparam("of_epoch", type_=BigInteger))
    .values(lease_until=_until)
    .returning(*WEBHOOK_COLUMNS)
)
_of_conversations = tables.webhook_deliveries.outerjoin(tables.conversations, _conversations.id == _d.conversation_id)
# What is buried is not sent, and so never due: it would be looked for again and again until it is deleted.
_is_to_be_sent = (_of_webhook, _is_pending, or_(_conversations.owner.is_(null()), _is_anybodys))
_next = (
    select(_d.next_try)
    .select_from(_of_conversations)
    .where(*_is_to_be_sent)
    .order_by(_d.next_try)
    .limit(_one_row)
    .scalar_subquery()
)
_RELEASE = Statement(
    update(tables.webhooks)
    .where(_one)
    .values(
        lease_worker=null(),
        lease_until=literal_column("0"),
        next_due=case(
            (_w.quiet_until > func.coalesce(_next, literal_column(str(NOTHING_DUE))), _w.quiet_until),
            else_=func.coalesce(_next, literal_column(str(NOTHING_DUE))),
        ),
    )
)
_JUDGED: Final = ("enabled", "disabled_reason", "failures", "failing_since", "quiet_until")
_JUDGE = Statement(
    update(tables.webhooks).where(_one).values({name: parameter(_w[name], f"new_{name}") for name in _JUDGED})
)

_DUE = Statement(
    select(*DELIVERY_COLUMNS, _conversations.key)
    .select_from(_of_conversations)
    .where(*_is_to_be_sent, _d.next_try <= _now)
    .order_by(_d.next_try)
    .limit(LIMIT)
)
_SETTLED: Final = ("state", "attempts", "attempted_at", "next_try", "status", "error", "settled_at")
_SETTLE = Statement(
    update(tables.webhook_deliveries)
    .where(_d.id == bindparam("delivery", type_=STRING), _is_pending)
    .values({name: parameter(_d[name], f"new_{name}") for name in _SETTLED})
    .returning(_d.ordered)
)
_first_behind = (
    select(_ahead.c.id)
    .where(
        _ahead.c.conversation_id == bindparam("conversation", type_=STRING),
        _ahead.c.webhook_id == bindparam("webhook", type_=STRING),
        text(f"ahead.{IS_BEHIND}"),
    )
    .order_by(_ahead.c.sequence)
    .limit(_one_row)
    .scalar_subquery()
)
_ADVANCE = Statement(
    update(tables.webhook_deliveries)
    .where(_d.id == _first_behind)
    .values(state=literal_column(f"'{DeliveryState.PENDING}'"), next_try=_now)
)
_HASTEN = update_some(tables.webhook_deliveries, {"next_try": _now}, _of_webhook, _is_pending, _d.next_try > _now)
_newest = (
    select(_ahead.c.settled_at)
    .where(_ahead.c.webhook_id == bindparam("webhook", type_=STRING), text(f"ahead.{IS_SETTLED}"))
    .order_by(_ahead.c.settled_at.desc(), _ahead.c.id.desc())
    .limit(_one_row)
    .offset(bindparam("keep", type_=BigInteger))
    .scalar_subquery()
)
_FORGET = delete_some(
    tables.webhook_deliveries,
    _of_webhook,
    literal_column(f"webhook_deliveries.{IS_SETTLED}"),
    _d.settled_at <= _newest,
    in_order=_d.settled_at,
)
_ANSWER = Statement(
    select(_messages.content)
    .where(
        _messages.conversation_id == bindparam("conversation", type_=STRING),
        _messages.run_id == bindparam("run", type_=STRING),
        _messages.role == literal_column("'assistant'"),
        _messages.position.is_not(null()),
    )
    .order_by(_messages.position.desc())
    .limit(_one_row)
)


class StoredWebhookQueue:
    """See `ports.webhooks.WebhookQueue`."""

    __slots__ = ("_executor",)

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def untold(self, *, limit: int) -> list[Unpublished]:
        """Events for which nothing is queued yet."""
        rows = await self._executor.fetch(_UNTOLD, {"limit": limit})
        return [Unpublished(Owner(*row[-2:]), events.event_of(row[:-2])) for row in rows]

    async def listening(self, tenant: str) -> list[Webhook]:
        """The enabled webhooks of a tenant, locked."""
        return [webhook_of(row) for row in await self._executor.fetch(_LISTENING, {"of_tenant": tenant})]

    async def count_waiting(self, webhook_id: WebhookId, *, limit: int) -> int:
        """How many deliveries wait."""
        [(count,)] = await self._executor.fetch(_WAITING, {"webhook": webhook_id, "limit": limit})
        return int(count)

    async def queue(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Store new deliveries."""
        if not deliveries:
            return
        due = {"next_try": micros(now)}
        rows = [
            {**values_of(each), **due, "tenant": each.owner.tenant, "owner": each.owner.user} for each in deliveries
        ]
        await self._executor.execute_many(_QUEUE, rows)

    async def rouse(self, webhook_id: WebhookId, now: datetime, *, dropped: int = 0) -> None:
        """Note that something is due."""
        await self._executor.fetch(_ROUSE, {"webhook": webhook_id, "now": micros(now), "more_dropped": dropped})

    async def mark_told(self, spans: Sequence[Span], *, teller: WorkerId, epoch: int) -> bool:
        """Mark events as queued."""
        return await outbox.mark(self._executor, _TOLD, spans, outlet=Outlet.WEBHOOKS, publisher=teller, epoch=epoch)

    async def due_webhooks(self, now: datetime, *, limit: int) -> list[WebhookId]:
        """Webhooks that nobody serves and somebody should."""
        rows = await self._executor.fetch(_DUE_WEBHOOKS, {"now": micros(now), "limit": limit})
        return [WebhookId(row[0]) for row in rows]

    async def claim_webhook(self, webhook_id: WebhookId, lease: Lease, now: datetime) -> int | None:
        """Take one of them."""
        rows = await self._executor.fetch(_CLAIM, {"webhook": webhook_id, "now": micros(now), **_leased(lease)})
        return int(rows[0][0]) if rows else None

    async def hold_webhook(self, webhook_id: WebhookId, lease: Lease, *, epoch: int) -> Webhook | None:
        """Renew the lease, and the webhook as it is now."""
        rows = await self._executor.fetch(_HOLD, {"webhook": webhook_id, "of_epoch": epoch, **_leased(lease)})
        return webhook_of(rows[0]) if rows else None

    async def release_webhook(self, webhook_id: WebhookId, now: datetime) -> None:
        """Let go of it."""
        del now
        await self._executor.fetch(_RELEASE, {"webhook": webhook_id})

    async def judge(self, webhook: Webhook) -> None:
        """Overwrite what attempts have shown of it."""
        seen = {f"new_{name}": value for name, value in seen_of(webhook).items()}
        await self._executor.fetch(_JUDGE, {"webhook": webhook.id, **seen})

    async def due(self, webhook_id: WebhookId, now: datetime, *, limit: int) -> list[Due]:
        """Deliveries whose time has come."""
        rows = await self._executor.fetch(_DUE, {"webhook": webhook_id, "now": micros(now), "limit": limit})
        return [Due(delivery_of(row[:-1]), row[-1] or "") for row in rows]

    async def settle(self, delivery: Delivery, now: datetime) -> None:
        """Store what came of an attempt."""
        is_over = delivery.state in (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP)
        rows = await self._executor.fetch(
            _SETTLE,
            {
                "delivery": delivery.id,
                "new_state": delivery.state,
                "new_attempts": delivery.attempts,
                "new_attempted_at": micros_or_none(delivery.attempted_at),
                "new_next_try": micros_or_none(delivery.next_try),
                "new_status": delivery.status,
                "new_error": delivery.error,
                "new_settled_at": micros(now) if is_over else None,
            },
        )
        if is_over and rows and rows[0][0] and delivery.conversation_id is not None:
            of = {"conversation": delivery.conversation_id, "webhook": delivery.webhook_id}
            await self._executor.fetch(_ADVANCE, {**of, "now": micros(now)})

    async def hasten(self, webhook_id: WebhookId, now: datetime, *, limit: int) -> int:
        """Have later attempts made now."""
        wanted = {"webhook": webhook_id, "now": micros(now), "limit": limit}
        return len(await self._executor.fetch(_HASTEN, wanted))

    async def forget_deliveries(self, webhook_id: WebhookId, *, keep: int, limit: int) -> int:
        """Delete the oldest that are over."""
        return len(await self._executor.fetch(_FORGET, {"webhook": webhook_id, "keep": keep, "limit": limit}))

    async def answer(self, conversation_id: ConversationId, run_id: RunId) -> str | None:
        """The text of the last thing that a run has said."""
        rows = await self._executor.fetch(_ANSWER, {"conversation": conversation_id, "run": run_id})
        return str(rows[0][0]) if rows else None


def _leased(lease: Lease) -> dict[str, Any]:
    return {"worker": lease.worker, "until": micros(lease.until)}
