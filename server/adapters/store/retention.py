"""What the service forgets in time."""

from datetime import datetime

from sqlalchemy import BigInteger, bindparam, delete, select, tuple_

from server.adapters.store import tables
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement
from server.adapters.store.times import micros

_table = tables.requests
_identity = (_table.c.tenant, _table.c.owner, _table.c.request_id)
_outdated = (
    select(*_identity)
    .where(_table.c.created_at < bindparam("before", type_=BigInteger))
    .order_by(_table.c.created_at)
    .limit(LIMIT)
)
_FORGET = Statement(delete(_table).where(tuple_(*_identity).in_(_outdated)).returning(_table.c.request_id))


async def forget_requests(executor: Executor, before: datetime, *, limit: int) -> int:
    """Drop request ids that were remembered before a moment, the oldest first; returns how many."""
    return len(await executor.fetch(_FORGET, {"before": micros(before), "limit": limit}))
