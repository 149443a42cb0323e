"""How reports of calls are written and read, for the service itself."""

from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, delete, select, tuple_
from sqlalchemy.dialects import postgresql

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, moment
from server.domain.rate_report import RateReport

_table = tables.rate_reports
_c = _table.c
_NOBODY: Final = ""
_KEY: Final = (_c.tenant, _c.owner, _c.sequence)

_ADD = Statement(postgresql.insert(_table).on_conflict_do_nothing(index_elements=list(_KEY)))
_SINCE = Statement(
    select(_c.owner, _c.sequence, _c.reported_at, _c.counts)
    .where(_c.reported_at >= parameter(_c.reported_at, "since"), _c.owner != bindparam("but_of", type_=STRING))
    .order_by(_c.owner, _c.sequence)
)
_old: Any = select(*_KEY).where(_c.reported_at < parameter(_c.reported_at, "before")).order_by(_c.reported_at)
_FORGET = Statement(delete(_table).where(tuple_(*_KEY).in_(_old.limit(LIMIT))).returning(_c.sequence))


async def add_rate_report(executor: Executor, report: RateReport) -> None:
    """Store a report; nothing, when it is stored already."""
    row = {"tenant": _NOBODY, "owner": report.process, "sequence": report.sequence, "reported_at": micros(report.at)}
    await executor.fetch(_ADD, {**row, "counts": orjson.dumps(report.counts).decode()})


async def rate_reports(executor: Executor, *, since: datetime, but_of: str) -> list[RateReport]:
    """Those of others since a moment."""
    rows = await executor.fetch(_SINCE, {"since": micros(since), "but_of": but_of})
    return [RateReport(process, sequence, moment(at), orjson.loads(counts)) for process, sequence, at, counts in rows]


async def forget_rate_reports(executor: Executor, before: datetime, *, limit: int) -> int:
    """Drop old ones."""
    return len(await executor.fetch(_FORGET, {"before": micros(before), "limit": limit}))
