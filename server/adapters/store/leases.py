"""Leases of running runs and the runs that wait for a worker, for the service itself."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    TextClause,
    bindparam,
    exists,
    literal_column,
    null,
    select,
    text,
    update,
)

from server.adapters.store import predicates, tables
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement
from server.adapters.store.times import micros
from server.domain.ids import RunId, WorkerId
from server.domain.principal import Owner
from server.domain.run import Lease, RunReference

_table = tables.runs
_c = _table.c
_other = _table.alias("other")
_worker = bindparam("worker", type_=STRING)
_one = _c.id == bindparam("run_id")
_is_running = text(predicates.IS_RUNNING)
_ENDED: Final[dict[str, Any]] = {"lease_worker": null(), "lease_until": literal_column("0")}

_RENEW = Statement(
    update(_table)
    .where(_one, _c.lease_worker == _worker, _is_running)
    .values(lease_until=bindparam("until", type_=BigInteger))
    .returning(_c.epoch)
)
_VOID = Statement(update(_table).where(_is_running, _c.lease_worker.is_not(None)).values(_ENDED).returning(_c.id))
_VOID_VOICE = Statement(
    update(tables.voice_sessions)
    .where(tables.voice_sessions.c.lease_until > literal_column("0"))
    .values(lease_until=literal_column("0"))
    .returning(tables.voice_sessions.c.id)
)
_VOID_EXTRACTIONS = Statement(
    update(tables.extractions)
    .where(tables.extractions.c.due_at > literal_column("0"))
    .values(due_at=literal_column("0"))
    .returning(tables.extractions.c.run_id)
)
_RELEASE = Statement(
    update(_table)
    .where(_one, _c.lease_worker == _worker, _c.epoch == bindparam("of_epoch", type_=BigInteger), _is_running)
    .values(_ENDED)
    .returning(_c.id)
)


def _oldest(*conditions: ColumnElement[bool] | TextClause) -> Select[tuple[str, str, str, str, int, int]]:
    columns = (_c.id, _c.tenant, _c.owner, _c.conversation_id, _c.epoch, _c.created_at)
    return select(*columns).where(*conditions).order_by(_c.created_at, _c.id).limit(LIMIT)


def _another(condition: str) -> ColumnElement[bool]:
    return exists().where(_other.c.conversation_id == _c.conversation_id, text(f"other.{condition}"))


_is_first_in_queue = ~exists().where(
    _other.c.conversation_id == _c.conversation_id, text(f"other.{predicates.IS_QUEUED}"), _other.c.ticket < _c.ticket
)
_ABANDONED = Statement(_oldest(_is_running, _c.lease_until <= bindparam("now", type_=BigInteger)))
_STARTABLE = Statement(
    _oldest(text(f"runs.{predicates.IS_QUEUED}"), ~_another(predicates.IS_ACTIVE), _is_first_in_queue)
)


async def renew_leases(executor: Executor, lease: Lease, held: Collection[RunId]) -> dict[RunId, int]:
    """Extend the worker's leases on those runs; returns the epoch of each that is still its."""
    renewed = {}
    values = {"worker": lease.worker, "until": micros(lease.until)}
    for run_id in sorted(held):
        rows = await executor.fetch(_RENEW, {**values, "run_id": run_id})
        if rows:
            renewed[run_id] = int(rows[0][0])
    return renewed


async def void_leases(executor: Executor) -> int:
    """Let every lease end now. Returns how many were on runs."""
    await executor.fetch(_VOID_VOICE, {})
    await executor.fetch(_VOID_EXTRACTIONS, {})
    return len(await executor.fetch(_VOID, {}))


async def release_lease(executor: Executor, run_id: RunId, *, epoch: int, worker: WorkerId) -> bool:
    """Let the worker's lease on a run end now; `False` when it held none in that epoch."""
    return bool(await executor.fetch(_RELEASE, {"run_id": run_id, "of_epoch": epoch, "worker": worker}))


async def claimable(executor: Executor, now: datetime, *, limit: int) -> list[RunReference]:
    """Running runs whose lease has ended and the first queued run of every idle conversation; the oldest first."""
    abandoned = await executor.fetch(_ABANDONED, {"now": micros(now), "limit": limit})
    startable = await executor.fetch(_STARTABLE, {"limit": limit})
    return [_reference(row) for row in sorted([*abandoned, *startable], key=_age)[:limit]]


def _age(row: Row) -> tuple[int, str]:
    return row[5], row[0]


def _reference(row: Row) -> RunReference:
    run_id, tenant, owner, conversation_id, epoch, _ = row
    return RunReference(run_id, Owner(tenant, owner), conversation_id, epoch)
