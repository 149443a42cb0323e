"""Voice sessions of the transaction's owner."""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, bindparam, delete, func, select, update

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, VoiceSessionId
from server.domain.voice import VoiceSession

_table = tables.voice_sessions
_c = _table.c
_COLUMNS: Final = (
    *(_c.id, _c.conversation_id, _c.room_name, _c.room_url),
    *(_c.created_at, _c.expires_at, _c.lease_until),
)
_now = bindparam("now", type_=BigInteger)
_one = _c.id == parameter(_c.id)

_CONVERSATION = found(tables.conversations)
_OF = owned(select(*_COLUMNS).where(_c.conversation_id == parameter(_c.conversation_id)), _table)
_GET = owned(select(*_COLUMNS).where(_one), _table)
_COUNT_LIVE = owned(select(func.count()).select_from(_table).where(_c.lease_until > _now, _c.expires_at > _now), _table)
_ADD = owned_insert(_table)
_OPEN = owned(update(_table).where(_one).values(room_url=parameter(_c.room_url, "url")).returning(_c.id), _table)
_RENEW = owned(
    update(_table).where(_one).values(lease_until=parameter(_c.lease_until, "until")).returning(_c.id), _table
)
_REMOVE = owned(delete(_table).where(_one).returning(_c.id), _table)


class StoredVoiceSessions:
    """See `ports.voice.VoiceSessions`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def of(self, conversation_id: ConversationId) -> VoiceSession | None:
        """The one of a conversation."""
        row = await self._scope.fetch_one(_OF, conversation_id=conversation_id)
        return None if row is None else _session(row)

    async def get(self, session_id: VoiceSessionId) -> VoiceSession | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=session_id)
        return None if row is None else _session(row)

    async def count_live(self, now: datetime) -> int:
        """How many are alive. The owner's sessions are held, so that two that are made at once count each other."""
        await self._scope.lock_name("voice_sessions", "")
        row = await self._scope.fetch_one(_COUNT_LIVE, now=micros(now))
        return int(row[0]) if row else 0

    async def add(self, session: VoiceSession) -> None:
        """Store a new one. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, session.conversation_id):
            raise ConversationNotFound(session.conversation_id)
        await self._scope.fetch(
            _ADD,
            id=session.id,
            conversation_id=session.conversation_id,
            room_name=session.room_name,
            room_url=session.room_url,
            created_at=micros(session.created_at),
            expires_at=micros(session.expires_at),
            lease_until=micros(session.lease_until),
        )

    async def open(self, session_id: VoiceSessionId, room_url: str) -> bool:
        """Note where it can be joined."""
        return await self._scope.fetch_one(_OPEN, id=session_id, url=room_url) is not None

    async def renew(self, session_id: VoiceSessionId, until: datetime) -> bool:
        """Let it count as alive for longer."""
        return await self._scope.fetch_one(_RENEW, id=session_id, until=micros(until)) is not None

    async def remove(self, session_id: VoiceSessionId) -> bool:
        """Destroy its row."""
        return await self._scope.fetch_one(_REMOVE, id=session_id) is not None


def _session(row: Row) -> VoiceSession:
    identity, conversation_id, name, url, created, expires, lease = row
    return VoiceSession(identity, conversation_id, name, url, moment(created), moment(expires), moment(lease))
