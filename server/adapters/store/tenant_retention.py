"""How long tenants keep what, and what has outlived it. See `ports.retention.Retentions`."""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, bindparam, func, literal_column, null, select, text, update
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.batches import delete_some
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor
from server.adapters.store.paging import LIMIT
from server.adapters.store.predicates import GRAVE, IS_UNPUBLISHED, IS_UNTOLD
from server.adapters.store.statement import Statement
from server.adapters.store.times import micros
from server.domain.ids import ConversationId
from server.domain.retention import Retention
from server.domain.run import Lease, RunState

_table = tables.retention
_c = _table.c
_events, _runs, _conversations = tables.run_events.c, tables.runs.c, tables.conversations.c
DAYS: Final = (_c.conversation_days, _c.archived_days, _c.event_days, _c.audit_days)
_of_tenant = _c.tenant == bindparam("of_tenant", type_=STRING)
_before = bindparam("before", type_=BigInteger)
_conversation = bindparam("of_conversation", type_=STRING)
_worker = bindparam("worker", type_=STRING)
_until = bindparam("until", type_=BigInteger)
_now = bindparam("now", type_=BigInteger)

_GET = Statement(select(*DAYS).where(_of_tenant))
_new = insert(_table)
SET = Statement(
    _new.on_conflict_do_update(
        index_elements=[_c.tenant],
        set_={name: _new.excluded[name] for name in ("owner", "updated_at", *(column.name for column in DAYS))}
        | {"swept_at": literal_column("0")},
    )
)
_is_due = (_c.swept_at < bindparam("not_since", type_=BigInteger), _c.lease_until <= _now)
# One whose sweep has failed comes behind all others: its lease was given back by nobody.
_DUE = Statement(
    select(_c.tenant).where(*_is_due).order_by(_c.lease_until, _c.swept_at, _c.tenant).limit(literal_column("1"))
)
_CLAIM = Statement(
    update(_table).where(_of_tenant, *_is_due).values(lease_worker=_worker, lease_until=_until).returning(_c.tenant)
)
_HOLD = Statement(
    update(_table).where(_of_tenant, _c.lease_worker == _worker).values(lease_until=_until).returning(_c.tenant)
)
_END = Statement(
    update(_table)
    .where(_of_tenant, _c.lease_worker == _worker)
    .values(swept_at=_now, lease_worker=null(), lease_until=literal_column("0"))
)
_BEHIND = Statement(
    select(_conversations.id)
    .where(_conversations.tenant == bindparam("of_tenant", type_=STRING))
    .where(_conversations.owner != literal_column(f"'{GRAVE}'"), _conversations.id > bindparam("after", type_=STRING))
    .order_by(_conversations.id)
    .limit(LIMIT)
)
_FOR_EVER: Final[ColumnElement[int]] = literal_column(str(2**62))
_NOT_OVER: Final[list[ColumnElement[str]]] = [
    literal_column(f"'{state}'") for state in RunState if not state.is_terminal
]
_first_needed = (
    select(func.min(_events.sequence))
    .where(
        _events.run_id.in_(select(_runs.id).where(_runs.conversation_id == _conversation, _runs.state.in_(_NOT_OVER)))
    )
    .scalar_subquery()
)
_first_young = (
    select(func.min(_events.sequence))
    .where(_events.conversation_id == _conversation, _events.created_at >= _before)
    .scalar_subquery()
)


def _first_that(predicate: str) -> ColumnElement[int]:
    marked = select(func.min(_events.sequence)).where(_events.conversation_id == _conversation, text(predicate))
    return func.coalesce(marked.scalar_subquery(), _FOR_EVER)


_DROP_EVENTS = delete_some(
    tables.run_events,
    _events.conversation_id == _conversation,
    _events.sequence < func.coalesce(_first_needed, _FOR_EVER),
    _events.sequence < func.coalesce(_first_young, _FOR_EVER),
    _events.sequence < _first_that(f"run_events.{IS_UNPUBLISHED}"),
    _events.sequence < _first_that(f"run_events.{IS_UNTOLD}"),
    in_order=_events.sequence,  # a log is cut at its beginning, and never has a hole
)
_DROP_AUDIT = delete_some(
    tables.audit, tables.audit.c.tenant == bindparam("of_tenant", type_=STRING), tables.audit.c.created_at < _before
)


async def find_retention(executor: Executor, tenant: str) -> Retention | None:
    """What the tenant has said."""
    rows = await executor.fetch(_GET, {"of_tenant": tenant})
    return Retention(*rows[0]) if rows else None


async def claim_sweep(executor: Executor, lease: Lease, now: datetime, *, not_since: datetime) -> str | None:
    """Take a tenant that is due and nobody's."""
    due = {"now": micros(now), "not_since": micros(not_since)}
    found = await executor.fetch(_DUE, due)
    if not found:
        return None
    held = {"worker": lease.worker, "until": micros(lease.until)}
    rows = await executor.fetch(_CLAIM, {**due, **held, "of_tenant": found[0][0]})
    return str(rows[0][0]) if rows else None


async def hold_sweep(executor: Executor, tenant: str, lease: Lease) -> bool:
    """Renew a claim."""
    held = {"worker": lease.worker, "until": micros(lease.until)}
    return bool(await executor.fetch(_HOLD, {**held, "of_tenant": tenant}))


async def end_sweep(executor: Executor, tenant: str, lease: Lease, now: datetime) -> None:
    """The tenant is swept."""
    await executor.fetch(_END, {"of_tenant": tenant, "worker": lease.worker, "now": micros(now)})


async def conversations_behind(
    executor: Executor, tenant: str, after: ConversationId, *, limit: int
) -> list[ConversationId]:
    """Conversations of a tenant by id."""
    return [row[0] for row in await executor.fetch(_BEHIND, {"of_tenant": tenant, "after": after, "limit": limit})]


async def drop_events(executor: Executor, conversation_id: ConversationId, before: datetime, *, limit: int) -> int:
    """Delete the beginning of a log."""
    wanted = {"of_conversation": conversation_id, "before": micros(before), "limit": limit}
    return len(await executor.fetch(_DROP_EVENTS, wanted))


async def drop_audit(executor: Executor, tenant: str, before: datetime, *, limit: int) -> int:
    """Delete the oldest records of the audit."""
    return len(await executor.fetch(_DROP_AUDIT, {"of_tenant": tenant, "before": micros(before), "limit": limit}))
