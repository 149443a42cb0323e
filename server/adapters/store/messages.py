"""Messages of the owner's conversations.

Positions count from 1 without gaps, for messages leave the history only from its end, with their branch, or with their
whole conversation; so a count is a look-up, and a window of the history a range of positions, unless messages of the
history are aside: those that passed between the model and its tools alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, literal_column, select, text, update

from server.adapters.store import predicates, tables
from server.adapters.store.errors import MessageNotQueued
from server.adapters.store.executor import Row
from server.adapters.store.json_codec import codec
from server.adapters.store.message_words import store_messages
from server.adapters.store.paging import LIMIT, NO_LIMIT, OFFSET
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, owned, parameter
from server.adapters.store.times import micros, moment
from server.domain.attachment import Attachment
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, MessageId
from server.domain.message import (
    NO_METADATA,
    GeneratedImage,
    Message,
    MessageMetadata,
    MessageStatus,
    Role,
    Spoken,
    ToolCall,
    Usage,
)

_table = tables.messages
_c = _table.c
_conversation = tables.conversations.c
COLUMNS: Final = (
    *(_c.id, _c.conversation_id, _c.role, _c.content, _c.created_at, _c.status),
    *(func.coalesce(_c.position, _c.branch_position), _c.branch, _c.run_id, _c.session_id),
    *(_c.model, _c.provider, _c.reasoning, _c.tool_calls, _c.tool_call_id, _c.usage, _c.image, _c.message_metadata),
    *(_c.provider_parts, _c.actor, _c.attachments, _c.spoken, _c.spoken_at),
)
_ATTACHMENT: Final = codec(Attachment)
_USAGE: Final = codec(Usage)
_TOOL_CALL: Final = codec(ToolCall)
_IMAGE: Final = codec(GeneratedImage)
_METADATA: Final = codec(MessageMetadata)
# For every message of every prompt: a call of the enum costs ten times the look-up.
ROLES: Final = {role.value: role for role in Role}
STATUSES: Final = {status.value: status for status in MessageStatus}


_ONE: Final[ColumnElement[int]] = literal_column("1")


def _drawn(counter: str, conversation_id: Any, by: ColumnElement[int] = _ONE) -> Owned:
    """Raise a counter of a conversation, by one unless told; returns it. Locks the conversation's row."""
    column = _conversation[counter]
    raised = update(tables.conversations).values({counter: column + by})
    return owned(raised.where(_conversation.id == conversation_id).returning(column), tables.conversations)


_is_waiting = text(predicates.IS_WAITING)
_one = _c.id == bindparam("message_id")
_home_of_waiting = select(_c.conversation_id).where(_one, _is_waiting).scalar_subquery()
_NEXT_POSITION = _drawn("last_position", bindparam("conversation_id"))
_NEXT_POSITIONS = _drawn("last_position", bindparam("conversation_id"), by=bindparam("count", type_=BigInteger))
_NEXT_TICKET = _drawn("last_ticket", bindparam("conversation_id"))
_POSITION_FOR_WAITING = _drawn("last_position", _home_of_waiting)

_GET = owned(select(*COLUMNS).where(_one), _table)
_ADMIT = owned(
    update(_table)
    .where(_one, _is_waiting)
    .values(position=parameter(_c.position, "new_position"), status=literal_column(f"'{MessageStatus.COMPLETE}'"))
    .returning(*COLUMNS),
    _table,
)
_WITHDRAW = owned(
    update(_table)
    .where(_one, _is_waiting)
    .values(status=literal_column(f"'{MessageStatus.CANCELLED}'"))
    .returning(_c.id),
    _table,
)
_SPEAK = owned(
    update(_table)
    .where(_one)
    .values(spoken=parameter(_c.spoken, "characters"), spoken_at=parameter(_c.spoken_at, "at"))
    .returning(_c.id),
    _table,
)

_last_position = (
    select(_conversation.last_position).where(_conversation.id == parameter(_c.conversation_id)).scalar_subquery()
)
_of_conversation = select(*COLUMNS).where(_c.conversation_id == parameter(_c.conversation_id))
_FORWARD = owned(_of_conversation.where(_c.position > OFFSET).order_by(_c.position).limit(LIMIT), _table)
_BACKWARD = owned(
    _of_conversation.where(_c.position <= _last_position - OFFSET).order_by(_c.position.desc()).limit(LIMIT), _table
)
_COUNT_ASIDE = owned(
    select(func.count())
    .select_from(_table)
    .where(
        _c.conversation_id == parameter(_c.conversation_id),
        _c.position > literal_column("0"),
        text(predicates.IS_ASIDE),
    ),
    _table,
)
_said = _of_conversation.where(_c.position > literal_column("0"), text(f"NOT {predicates.IS_ASIDE}")).limit(LIMIT)
_SAID_FORWARD = owned(_said.order_by(_c.position).offset(OFFSET), _table)
_SAID_BACKWARD = owned(_said.order_by(_c.position.desc()).offset(OFFSET), _table)
_WAITING = owned(_of_conversation.where(_is_waiting).order_by(_c.ticket), _table)
_COUNT = owned(
    select(_conversation.last_position).where(_conversation.id == bindparam("conversation_id")), tables.conversations
)


class StoredMessages:
    """See `ports.store.Messages`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def append(self, message: Message) -> Message:
        """Put a message at the end of the history. Raises `ConversationNotFound`."""
        position = await self._draw(_NEXT_POSITION, message)
        appended = replace(message, position=position)
        await store_messages(self._scope, [{**_values(appended), "ticket": None}])
        return appended

    async def extend(self, conversation_id: ConversationId, messages: Sequence[Message]) -> None:
        """Put messages at the end of the history, in order. Raises `ConversationNotFound`."""
        if not messages:
            return
        drawn = await self._scope.fetch_one(_NEXT_POSITIONS, conversation_id=conversation_id, count=len(messages))
        if drawn is None:
            raise ConversationNotFound(conversation_id)
        first = drawn[0] - len(messages) + 1
        placed = (replace(message, position=position) for position, message in enumerate(messages, first))
        await store_messages(self._scope, [{**_values(message), "ticket": None} for message in placed])

    async def enqueue(self, message: Message) -> None:
        """Store a message with status QUEUED outside the history. Raises `ConversationNotFound`."""
        ticket = await self._draw(_NEXT_TICKET, message)
        queued = replace(message, position=None, status=MessageStatus.QUEUED)
        await store_messages(self._scope, [{**_values(queued), "ticket": ticket}])

    async def admit(self, message_id: MessageId) -> Message:
        """Move a queued message to the end of the history. Raises `MessageNotQueued`."""
        drawn = await self._scope.fetch_one(_POSITION_FOR_WAITING, message_id=message_id)
        if drawn is None:
            raise MessageNotQueued(message_id)
        admitted = await self._scope.fetch_one(_ADMIT, message_id=message_id, new_position=drawn[0])
        if admitted is None:
            raise MessageNotQueued(message_id)
        return message_of(admitted)

    async def withdraw(self, message_id: MessageId) -> None:
        """Take a queued message out of the queue for good. Raises `MessageNotQueued`."""
        if await self._scope.fetch_one(_WITHDRAW, message_id=message_id) is None:
            raise MessageNotQueued(message_id)

    async def speak(self, message_id: MessageId, spoken: Spoken) -> bool:
        """Note how much of an answer was spoken; `False` when it is not stored."""
        at = micros(spoken.at)
        return (
            await self._scope.fetch_one(_SPEAK, message_id=message_id, characters=spoken.characters, at=at) is not None
        )

    async def get(self, message_id: MessageId) -> Message | None:
        """The message of that id, wherever it is."""
        row = await self._scope.fetch_one(_GET, message_id=message_id)
        return None if row is None else message_of(row)

    async def history(self, conversation_id: ConversationId, *, last: int | None = None) -> list[Message]:
        """The history in order; with `last` only that many from its end."""
        if last is None:
            return await self._window(_FORWARD, conversation_id, 0, NO_LIMIT)
        return (await self._window(_BACKWARD, conversation_id, 0, last))[::-1]

    async def page(self, conversation_id: ConversationId, *, after_position: int, limit: int) -> list[Message]:
        """The history in order behind a position."""
        return await self._window(_FORWARD, conversation_id, after_position, limit)

    async def slice(
        self, conversation_id: ConversationId, *, offset: int, limit: int, descending: bool
    ) -> list[Message]:
        """A window of what the history says to people."""
        if await self._count_aside(conversation_id):
            statement = _SAID_BACKWARD if descending else _SAID_FORWARD
        else:
            statement = _BACKWARD if descending else _FORWARD
        return await self._window(statement, conversation_id, offset, limit)

    async def count_said(self, conversation_id: ConversationId) -> int:
        """How many messages of the history say something to people."""
        return await self.count(conversation_id) - await self._count_aside(conversation_id)

    async def count(self, conversation_id: ConversationId) -> int:
        """How many messages the history has."""
        row = await self._scope.fetch_one(_COUNT, conversation_id=conversation_id)
        return int(row[0]) if row else 0

    async def queued(self, conversation_id: ConversationId) -> list[Message]:
        """Messages of status QUEUED in the order in which they were accepted."""
        rows = await self._scope.fetch(_WAITING, conversation_id=conversation_id)
        return [message_of(row) for row in rows]

    async def _draw(self, counter: Owned, message: Message) -> int:
        row = await self._scope.fetch_one(counter, conversation_id=message.conversation_id)
        if row is None:
            raise ConversationNotFound(message.conversation_id)
        return int(row[0])

    async def _count_aside(self, conversation_id: ConversationId) -> int:
        row = await self._scope.fetch_one(_COUNT_ASIDE, conversation_id=conversation_id)
        return int(row[0]) if row else 0

    async def _window(
        self, statement: Owned, conversation_id: ConversationId, offset: int, limit: int
    ) -> list[Message]:
        rows = await self._scope.fetch(statement, conversation_id=conversation_id, offset=offset, limit=limit)
        return [message_of(row) for row in rows]


def _values(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "role": message.role.value,
        "content": message.content,
        "created_at": micros(message.created_at),
        "status": message.status.value,
        "position": message.position,
        "branch": None,
        "branch_position": None,
        "run_id": message.run_id,
        "session_id": message.session_id,
        "model": message.model,
        "provider": message.provider,
        "reasoning": message.reasoning,
        "tool_calls": _TOOL_CALL.dumps_all(message.tool_calls) if message.tool_calls else None,
        "tool_call_id": message.tool_call_id,
        "usage": _USAGE.dumps(message.usage) if message.usage else None,
        "image": _IMAGE.dumps(message.image) if message.image else None,
        "message_metadata": None if message.metadata == NO_METADATA else _METADATA.dumps(message.metadata),
        "provider_parts": message.provider_parts,
        "actor": message.actor,
        "attachments": _ATTACHMENT.dumps_all(message.attachments) if message.attachments else None,
        "spoken": message.spoken.characters if message.spoken else None,
        "spoken_at": micros(message.spoken.at) if message.spoken else None,
    }


def message_of(row: Row) -> Message:
    """The message of a row of `COLUMNS`."""
    (row_id, conversation_id, role, content, created, status, position, branch, run_id, session_id, *rest) = row
    model, provider, reasoning, tool_calls, tool_call_id, usage, image, metadata, *rest = rest
    provider_parts, actor, attachments, spoken, spoken_at = rest
    return Message(
        id=row_id,
        conversation_id=conversation_id,
        role=ROLES[role],
        content=content,
        created_at=moment(created),
        status=STATUSES[status],
        position=position,
        branch=branch,
        run_id=run_id,
        session_id=session_id,
        model=model,
        provider=provider,
        reasoning=reasoning,
        tool_calls=_TOOL_CALL.loads_all(tool_calls) if tool_calls else (),
        tool_call_id=tool_call_id,
        usage=_USAGE.loads(usage) if usage else None,
        image=_IMAGE.loads(image) if image else None,
        metadata=_METADATA.loads(metadata) if metadata else NO_METADATA,
        provider_parts=provider_parts,
        actor=actor,
        attachments=_ATTACHMENT.loads_all(attachments) if attachments else (),
        spoken=None if spoken_at is None else Spoken(spoken, moment(spoken_at)),
    )
