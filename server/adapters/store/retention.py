"""What the service forgets in time."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, bindparam, delete, select, tuple_

from server.adapters.store import tables
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement
from server.adapters.store.times import micros

_MOMENT = bindparam("moment", type_=BigInteger)


def _forget(table: Table, is_over: ColumnElement[bool], time: ColumnElement[Any]) -> Statement:
    """Drops rows for which `is_over` holds at the parameter `moment`, those of the earliest `time` first."""
    identity = tuple(table.primary_key)
    outdated = select(*identity).where(is_over).order_by(time).limit(LIMIT)
    return Statement(delete(table).where(tuple_(*identity).in_(outdated)).returning(time))


_requests, _answers, _grants = tables.requests.c, tables.cached_answers.c, tables.upload_grants.c
_FORGET_REQUESTS = _forget(tables.requests, _requests.created_at < _MOMENT, _requests.created_at)
_FORGET_ANSWERS = _forget(tables.cached_answers, _answers.expires_at <= _MOMENT, _answers.expires_at)

_FORGET_GRANTS = _forget(tables.upload_grants, _grants.expires_at <= _MOMENT, _grants.expires_at)


async def forget_requests(executor: Executor, before: datetime, *, limit: int) -> int:
    """Drop request ids that were remembered before a moment, the oldest first; returns how many."""
    return len(await executor.fetch(_FORGET_REQUESTS, {"moment": micros(before), "limit": limit}))


async def forget_answers(executor: Executor, now: datetime, *, limit: int) -> int:
    """Drop cached answers that have expired, the oldest first; returns how many."""
    return len(await executor.fetch(_FORGET_ANSWERS, {"moment": micros(now), "limit": limit}))


async def forget_grants(executor: Executor, before: datetime, *, limit: int) -> int:
    """Drop leaves to upload that were over at a moment, the oldest first; returns how many."""
    return len(await executor.fetch(_FORGET_GRANTS, {"moment": micros(before), "limit": limit}))
