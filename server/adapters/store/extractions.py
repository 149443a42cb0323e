"""Extractions of memories that are not over: those of the transaction's owner, and those that are due."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, delete, literal_column, select, update

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Statement, found, owned, owned_insert, parameter
from server.adapters.store.times import micros
from server.domain.errors import ConversationNotFound
from server.domain.ids import ConversationId, RunId
from server.domain.memory import Extraction
from server.domain.principal import Owner

_table = tables.extractions
_c = _table.c
_COLUMNS: Final = (_c.run_id, _c.attempts, _c.facts, _c.done)
_this = _c.run_id == parameter(_c.run_id)
_now = bindparam("now", type_=BigInteger)
_one: ColumnElement[int] = literal_column("1")

_CONVERSATION = found(tables.conversations)
_BEGIN = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_this), _table)
_CLAIM = owned(
    update(_table)
    .where(_this, _c.due_at <= _now)
    .values(due_at=parameter(_c.due_at, "until"), attempts=_c.attempts + _one)
    .returning(*_COLUMNS),
    _table,
)
_KEEP = owned(
    update(_table).where(_this, _c.facts.is_(None)).values(facts=parameter(_c.facts, "new_facts")).returning(_c.run_id),
    _table,
)
_ADVANCE = owned(
    update(_table).where(_this, _c.done == parameter(_c.done)).values(done=_c.done + _one).returning(_c.run_id),
    _table,
)
_END = owned(delete(_table).where(_this).returning(_c.run_id), _table)
_DUE = Statement(
    select(_c.tenant, _c.owner, _c.run_id).where(_c.due_at <= _now).order_by(_c.due_at, _c.run_id).limit(LIMIT)
)


class StoredExtractions:
    """See `ports.memories.Extractions`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def begin(self, run_id: RunId, conversation_id: ConversationId, *, due: datetime) -> None:
        """Note one."""
        if not await self._scope.owns(_CONVERSATION, conversation_id):
            raise ConversationNotFound(conversation_id)
        row = {"run_id": run_id, "conversation_id": conversation_id, "due_at": micros(due)}
        await self._scope.insert(_BEGIN, [{**row, "attempts": 0, "facts": None, "done": 0}])

    async def get(self, run_id: RunId) -> Extraction | None:
        """The one of that run."""
        return _extraction(await self._scope.fetch_one(_GET, run_id=run_id))

    async def claim(self, run_id: RunId, *, now: datetime, until: datetime) -> Extraction | None:
        """Take one up that is due."""
        moments = {"now": micros(now), "until": micros(until)}
        return _extraction(await self._scope.fetch_one(_CLAIM, run_id=run_id, **moments))

    async def keep_facts(self, run_id: RunId, facts: Sequence[str]) -> bool:
        """Store what the model said."""
        return await self._scope.fetch_one(_KEEP, run_id=run_id, new_facts=json.dumps(list(facts))) is not None

    async def advance(self, run_id: RunId, *, done: int) -> bool:
        """Note that one more was dealt with."""
        return await self._scope.fetch_one(_ADVANCE, run_id=run_id, done=done) is not None

    async def end(self, run_id: RunId) -> bool:
        """Forget it."""
        return await self._scope.fetch_one(_END, run_id=run_id) is not None


async def due_extractions(executor: Executor, now: datetime, *, limit: int) -> list[tuple[Owner, RunId]]:
    """Those that nobody has brought to their end."""
    rows = await executor.fetch(_DUE, {"now": micros(now), "limit": limit})
    return [(Owner(tenant, owner), run_id) for tenant, owner, run_id in rows]


def _extraction(row: Row | None) -> Extraction | None:
    if row is None:
        return None
    run_id, attempts, facts, done = row
    return Extraction(run_id, attempts, json.loads(facts) if facts is not None else None, done)
