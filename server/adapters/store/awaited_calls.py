"""Tool calls whose time to wait ends, across owners: for the service itself."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, TextClause, bindparam, select, text

from server.adapters.store import predicates, tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement
from server.adapters.store.times import micros
from server.domain.principal import Owner
from server.domain.run import RunReference

_calls, _runs = tables.tool_calls.c, tables.runs.c
_now: Final = bindparam("now", type_=BigInteger)
_until: Final = bindparam("until", type_=BigInteger)


def _of_calls(predicate: str) -> TextClause:
    """The predicate of a partial index of `tool_calls`, in a query that has another table with a state."""
    return text(predicate.replace("state", "tool_calls.state"))


def _soonest(*conditions: ColumnElement[bool] | TextClause) -> Statement:
    columns = (_runs.id, _runs.tenant, _runs.owner, _runs.conversation_id, _runs.epoch)
    joined = tables.tool_calls.join(tables.runs, _runs.id == _calls.run_id)
    found = select(*columns).select_from(joined).where(*conditions)
    return Statement(found.order_by(_calls.expires_at, _calls.id).limit(LIMIT))


_EXPIRED = _soonest(_of_calls(predicates.IS_AWAITED), _calls.expires_at <= _now)
_EXPIRING = _soonest(_of_calls(predicates.IS_NOT_WARNED_OF), _calls.expires_at > _now, _calls.expires_at <= _until)


async def expired_calls(executor: Executor, now: datetime, *, limit: int) -> list[RunReference]:
    """Runs with calls whose time to wait is over; each once, the one whose call ended first at the head."""
    return _references(await executor.fetch(_EXPIRED, {"now": micros(now), "limit": limit}))


async def expiring_calls(executor: Executor, now: datetime, *, until: datetime, limit: int) -> list[RunReference]:
    """Likewise those with calls whose time ends soon, and of which nobody was warned."""
    moments = {"now": micros(now), "until": micros(until)}
    return _references(await executor.fetch(_EXPIRING, {**moments, "limit": limit}))


def _references(rows: Sequence[Row]) -> list[RunReference]:
    distinct = dict.fromkeys(tuple(row) for row in rows)
    return [
        RunReference(run_id, Owner(tenant, owner), conversation_id, epoch)
        for run_id, tenant, owner, conversation_id, epoch in distinct
    ]
