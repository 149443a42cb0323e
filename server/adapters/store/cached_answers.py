"""The response cache of the transaction's owner."""

from datetime import datetime

from sqlalchemy import BigInteger, bindparam, delete, select, tuple_

from server.adapters.store import tables
from server.adapters.store.executor import Executor
from server.adapters.store.json_codec import JsonCodec
from server.adapters.store.paging import LIMIT
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Statement, owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.domain.cached_answer import CachedAnswer

_table = tables.cached_answers
_c = _table.c
_ANSWER = JsonCodec(CachedAnswer)

_FIND = owned(
    select(_c.answer).where(_c.key == parameter(_c.key), _c.expires_at > bindparam("now", type_=BigInteger)), _table
)
_REMOVE = owned(delete(_table).where(_c.key == parameter(_c.key)), _table)
_ADD = owned_insert(_table)
_identity = (_c.tenant, _c.owner, _c.key)
_expired = (
    select(*_identity).where(_c.expires_at <= bindparam("now", type_=BigInteger)).order_by(_c.expires_at).limit(LIMIT)
)
_FORGET = Statement(delete(_table).where(tuple_(*_identity).in_(_expired)).returning(_c.key))


class StoredCachedAnswers:
    """See `ports.cached_answers.CachedAnswers`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def find(self, key: str, *, now: datetime) -> CachedAnswer | None:
        """The answer of that key, unless it expired."""
        row = await self._scope.fetch_one(_FIND, key=key, now=micros(now))
        return None if row is None else _ANSWER.loads(row[0])

    async def put(self, key: str, answer: CachedAnswer, *, now: datetime, expires_at: datetime) -> None:
        """Store an answer in place of what the key had."""
        await self._scope.lock_name("cached_answer", key)
        await self._scope.fetch(_REMOVE, key=key)
        await self._scope.fetch(
            _ADD, key=key, answer=_ANSWER.dumps(answer), created_at=micros(now), expires_at=micros(expires_at)
        )


async def forget_answers(executor: Executor, now: datetime, *, limit: int) -> int:
    """Drop answers that have expired, the oldest first; returns how many."""
    return len(await executor.fetch(_FORGET, {"now": micros(now), "limit": limit}))
