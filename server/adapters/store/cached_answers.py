"""The response cache of the transaction's owner."""

from datetime import datetime

from sqlalchemy import BigInteger, bindparam, delete, select

from server.adapters.store import tables
from server.adapters.store.json_codec import JsonCodec
from server.adapters.store.scope import Scope
from server.adapters.store.statement import found, owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.domain.cached_answer import CachedAnswer
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId

_table = tables.cached_answers
_c = _table.c
_ANSWER = JsonCodec(CachedAnswer)

_CONVERSATION = found(tables.conversations)
_FIND = owned(
    select(_c.answer).where(_c.key == parameter(_c.key), _c.expires_at > bindparam("now", type_=BigInteger)), _table
)
_REMOVE = owned(delete(_table).where(_c.key == parameter(_c.key)), _table)
_ADD = owned_insert(_table)


class StoredCachedAnswers:
    """See `ports.cached_answers.CachedAnswers`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def find(self, key: str, *, now: datetime) -> CachedAnswer | None:
        """The answer of that key, unless it expired."""
        row = await self._scope.fetch_one(_FIND, key=key, now=micros(now))
        return None if row is None else _ANSWER.loads(row[0])

    async def put(
        self, key: str, answer: CachedAnswer, *, given_in: ConversationId, now: datetime, expires_at: datetime
    ) -> None:
        """Store an answer in place of what the key had. Raises `ConversationNotFound`."""
        if not await self._scope.owns(_CONVERSATION, given_in):
            raise ConversationNotFound(given_in)
        await self._scope.lock_name("cached_answer", key)
        await self._scope.fetch(_REMOVE, key=key)
        await self._scope.fetch(
            _ADD,
            key=key,
            conversation_id=given_in,
            answer=_ANSWER.dumps(answer),
            created_at=micros(now),
            expires_at=micros(expires_at),
        )
