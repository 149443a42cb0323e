"""Chat sessions of the owner's conversations."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select, update

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, SessionId
from server.domain.session import ChatSession, SessionStatus

_table = tables.sessions
_c = _table.c
_COLUMNS: Final = (_c.id, _c.conversation_id, _c.model_id, _c.created_at, _c.updated_at, _c.status)

_CONVERSATION = found(tables.conversations)
_ADD = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_c.id == parameter(_c.id)), _table)
_OF_CONVERSATION = owned(
    select(*_COLUMNS).where(_c.conversation_id == parameter(_c.conversation_id)).order_by(_c.created_at, _c.id), _table
)
_TOUCH = owned(
    update(_table).where(_c.id == bindparam("session_id")).values(updated_at=parameter(_c.updated_at, "now")), _table
)


class StoredSessions:
    """See `ports.store.Sessions`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, session: ChatSession) -> None:
        """Store a new one. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, session.conversation_id):
            raise ConversationNotFound(session.conversation_id)
        await self._scope.fetch(
            _ADD,
            id=session.id,
            conversation_id=session.conversation_id,
            model_id=session.model_id,
            status=session.status.value,
            created_at=micros(session.created_at),
            updated_at=micros(session.updated_at),
        )

    async def get(self, session_id: SessionId) -> ChatSession | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=session_id)
        return None if row is None else _session(row)

    async def of_conversation(self, conversation_id: ConversationId) -> list[ChatSession]:
        """By `created_at`, then id."""
        rows = await self._scope.fetch(_OF_CONVERSATION, conversation_id=conversation_id)
        return [_session(row) for row in rows]

    async def touch(self, session_id: SessionId, now: datetime) -> None:
        """Set `updated_at`."""
        await self._scope.fetch(_TOUCH, session_id=session_id, now=micros(now))


def _session(row: Row) -> ChatSession:
    session_id, conversation_id, model_id, created, updated, status = row
    return ChatSession(session_id, conversation_id, model_id, moment(created), moment(updated), SessionStatus(status))
