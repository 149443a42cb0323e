"""Erasures of users: the task, who works on it, and the user's own rows. See `ports.erasures.Erasures`."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, delete, literal_column, null, or_, select, text, tuple_, update

from server.adapters.store import tables
from server.adapters.store.batches import delete_some
from server.adapters.store.columns import STRING
from server.adapters.store.executor import Executor, Row
from server.adapters.store.paging import LIMIT
from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.predicates import IS_UNDER_WAY
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, moment, moment_or_none
from server.domain.erasure import Erasure, ErasureState
from server.domain.ids import ErasureId, FileId
from server.domain.principal import Owner
from server.domain.rights_errors import UserBeingErased
from server.domain.run import Lease

_table = tables.erasures
_c = _table.c
_keys, _users = tables.api_keys.c, tables.users.c
COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.owner, _c.pseudonym, _c.requested_by, _c.requested_at, _c.state, _c.ended_at),
    *(_c.conversations, _c.rows),
)
_is_under_way = text(IS_UNDER_WAY)
_of_user = (_c.tenant == bindparam("tenant", type_=STRING), _c.owner == bindparam("user", type_=STRING))
_one = _c.id == bindparam("erasure_id", type_=STRING)
_until = bindparam("until", type_=BigInteger)
_worker = bindparam("worker", type_=STRING)

_UNDER_WAY = Statement(select(_c.id).where(*_of_user, _is_under_way))
_GET = Statement(select(*COLUMNS).where(_one))
_REVOKE_ALL = Statement(
    update(tables.api_keys)
    .where(_keys.tenant == bindparam("tenant", type_=STRING), _keys.owner == bindparam("user", type_=STRING))
    .where(_keys.revoked_at.is_(null()))
    .values(revoked_at=parameter(_keys.revoked_at, "now"))
)
_FREE = Statement(
    select(_c.id)
    .where(_is_under_way, _c.lease_until <= bindparam("now", type_=BigInteger))
    .where(or_(bindparam("only", type_=STRING) == "", _c.id == bindparam("only", type_=STRING)))
    .order_by(_c.lease_until, _c.id)
    .limit(literal_column("1"))
)
_CLAIM = Statement(
    update(_table)
    .where(_one, _is_under_way, _c.lease_until <= bindparam("now", type_=BigInteger))
    .values(lease_worker=_worker, lease_until=_until)
    .returning(*COLUMNS)
)
_HOLD = Statement(
    update(_table)
    .where(_one, _is_under_way, _c.lease_worker == _worker)
    .values(
        lease_until=_until,
        conversations=_c.conversations + bindparam("more_conversations", type_=BigInteger),
        rows=_c.rows + bindparam("more_rows", type_=BigInteger),
    )
    .returning(_c.id)
)
_END = Statement(
    update(_table)
    .where(_one, _is_under_way)
    .values(
        owner=_c.pseudonym,
        state=literal_column(f"'{ErasureState.DONE}'"),
        ended_at=parameter(_c.ended_at, "now"),
        lease_worker=null(),
        lease_until=literal_column("0"),
    )
)
_user_row = tuple_(_users.tenant, _users.owner) == tuple_(
    bindparam("tenant", type_=STRING), bindparam("user", type_=STRING)
)
_DELETE_USER = Statement(delete(tables.users).where(_user_row))

_BY_OWNER: Final = [
    tables.METADATA.tables[name]
    for name, declared in PERSONAL_DATA.items()
    if declared.erased is Erased.BY_OWNER and name not in ("conversations", "users")
]
_ROWS: Final = [
    delete_some(
        table,
        table.c.tenant == bindparam("tenant", type_=STRING),
        table.c.owner == bindparam("user", type_=STRING),
    )
    for table in _BY_OWNER
]
_CONTENTS: Final = [
    Statement(
        select(table.c.id)
        .where(table.c.tenant == bindparam("tenant", type_=STRING), table.c.owner == bindparam("user", type_=STRING))
        .limit(LIMIT)
    )
    for table in _BY_OWNER
    if PERSONAL_DATA[table.name].contents
]


async def bar(executor: Executor, user: Owner, now: datetime) -> None:
    """Revoke every key of a user."""
    await executor.fetch(_REVOKE_ALL, {**_names(user), "now": micros(now)})


async def find_erasure(executor: Executor, erasure_id: ErasureId) -> Erasure | None:
    """The erasure of that id."""
    rows = await executor.fetch(_GET, {"erasure_id": erasure_id})
    return erasure_of(rows[0]) if rows else None


async def claim_erasure(executor: Executor, lease: Lease, now: datetime, *, only: ErasureId | None) -> Erasure | None:
    """Take an erasure that is nobody's."""
    moment_now = {"now": micros(now)}
    found = await executor.fetch(_FREE, {**moment_now, "only": only or ""})
    if not found:
        return None
    taken = {"erasure_id": found[0][0], "worker": lease.worker, "until": micros(lease.until), **moment_now}
    rows = await executor.fetch(_CLAIM, taken)
    return erasure_of(rows[0]) if rows else None


async def hold_erasure(
    executor: Executor, erasure_id: ErasureId, lease: Lease, *, conversations: int, rows: int
) -> bool:
    """Renew a claim and count; `False` when it is lost."""
    counted = {"more_conversations": conversations, "more_rows": rows}
    held = {"erasure_id": erasure_id, "worker": lease.worker, "until": micros(lease.until)}
    return bool(await executor.fetch(_HOLD, {**held, **counted}))


async def erase_rows(executor: Executor, user: Owner, *, limit: int) -> int:
    """Delete rows of the user's, table by table; returns how many."""
    gone = 0
    for statement in _ROWS:
        gone += len(await executor.fetch(statement, {**_names(user), "limit": max(limit - gone, 1)}))
        if gone >= limit:
            break
    return gone


async def contents_of(executor: Executor, user: Owner, *, limit: int) -> list[FileId]:
    """Contents that belong to no conversation."""
    named = {**_names(user), "limit": limit}
    return [row[0] for statement in _CONTENTS for row in await executor.fetch(statement, named)]


async def end_erasure(executor: Executor, erasure: Erasure, now: datetime) -> None:
    """Delete the user, and the name from the erasure."""
    await executor.fetch(_DELETE_USER, _names(erasure.user))
    await executor.fetch(_END, {"erasure_id": erasure.id, "now": micros(now)})


async def refuse_the_erased(executor: Executor, user: Owner) -> None:
    """Raises `UserBeingErased` when an erasure of the user is under way."""
    if await executor.fetch(_UNDER_WAY, _names(user)):
        raise UserBeingErased


def _names(user: Owner) -> dict[str, Any]:
    return {"tenant": user.tenant, "user": user.user}


def erasure_of(row: Row) -> Erasure:
    """The erasure of a row of `COLUMNS`."""
    erasure_id, tenant, owner, pseudonym, requested_by, requested_at, state, ended_at, conversations, rows = row
    return Erasure(
        id=erasure_id,
        user=Owner(tenant, owner),
        pseudonym=pseudonym,
        requested_by=requested_by,
        requested_at=moment(requested_at),
        state=ErasureState(state),
        ended_at=moment_or_none(ended_at),
        conversations=conversations,
        rows=rows,
    )
