"""API keys: how their rows are read and written, and the service's own access to them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.json_codec import codec
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyEnvironment, KeyStyle, KeyUse
from server.domain.principal import Owner
from server.domain.spending import UNBOUNDED, Budget

_table = tables.api_keys
_c = _table.c
_usage = tables.key_usage.c
COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.owner, _c.digest, _c.prefix, _c.style, _c.scopes, _c.created_at, _c.expires_at),
    *(_c.revoked_at, _c.environment, _c.name, _c.description, _c.requests_per_minute, _c.last_used_at),
    *(_c.budget, _c.account),
)
_SEPARATOR: Final = " "  # a scope holds none
_EPOCH: Final = date(1970, 1, 1)
_BUDGET: Final = codec(Budget)

# Who is revoked stays so, and since the first time.
CHANGES: Final = (
    update(_table)
    .where(_c.id == bindparam("key_id"))
    .values(
        name=parameter(_c.name, "new_name"),
        description=parameter(_c.description, "new_description"),
        scopes=parameter(_c.scopes, "new_scopes"),
        requests_per_minute=parameter(_c.requests_per_minute, "new_limit"),
        budget=parameter(_c.budget, "new_budget"),
        expires_at=parameter(_c.expires_at, "new_end"),
        revoked_at=func.coalesce(_c.revoked_at, parameter(_c.revoked_at, "now")),
    )
)
USAGE: Final = (
    select(_usage.day, _usage.requests)
    .where(_usage.key_id == parameter(_usage.key_id, "usage_key"), _usage.day >= bindparam("since", type_=BigInteger))
    .order_by(_usage.day)
)

_BY_DIGEST = Statement(select(*COLUMNS).where(_c.digest == parameter(_c.digest)))
_BY_ID = Statement(select(*COLUMNS).where(_c.id == parameter(_c.id)))
_ALL = Statement(select(*COLUMNS).order_by(_c.created_at, _c.id))
_ADD = Statement(insert(_table))
_SAVE = Statement(CHANGES)
_REVOKE = Statement(
    update(_table)
    .where(_c.id == bindparam("key_id"), _c.revoked_at.is_(None))
    .values(revoked_at=parameter(_c.revoked_at, "now"))
    .returning(_c.id)
)
_USAGE = Statement(USAGE)
# From the key's own row: a key that is gone meanwhile is passed over, and the names are the key's.
_new_use = postgresql.insert(tables.key_usage).from_select(
    ["tenant", "owner", "key_id", "day", "requests"],
    select(_c.tenant, _c.owner, _c.id, parameter(_usage.day), parameter(_usage.requests)).where(
        _c.id == bindparam("key_id")
    ),
)
_COUNT = Statement(
    _new_use.on_conflict_do_update(
        index_elements=[_usage.key_id, _usage.day], set_={"requests": _usage.requests + _new_use.excluded.requests}
    )
)
_USED = Statement(
    update(_table)
    .where(_c.id == bindparam("key_id"), func.coalesce(_c.last_used_at, 0) < parameter(_c.last_used_at, "used"))
    .values(last_used_at=parameter(_c.last_used_at, "used"))
)


async def key_by_digest(executor: Executor, digest: str) -> ApiKey | None:
    """The key of that digest, valid or not."""
    rows = await executor.fetch(_BY_DIGEST, {"digest": digest})
    return key_of(rows[0]) if rows else None


async def key_by_id(executor: Executor, key_id: KeyId) -> ApiKey | None:
    """The key of that id, valid or not."""
    rows = await executor.fetch(_BY_ID, {"id": key_id})
    return key_of(rows[0]) if rows else None


async def all_keys(executor: Executor) -> list[ApiKey]:
    """All keys, the oldest first."""
    return [key_of(row) for row in await executor.fetch(_ALL, {})]


async def add_key(executor: Executor, key: ApiKey) -> None:
    """Store a new key. Raises `RowRefused` when its id or digest exists."""
    await executor.fetch(_ADD, {**values(key), "tenant": key.owner.tenant, "owner": key.owner.user})


async def save_key(executor: Executor, key: ApiKey) -> None:
    """Overwrite what may change of a key."""
    await executor.fetch(_SAVE, changes(key))


async def revoke_key(executor: Executor, key_id: KeyId, now: datetime) -> bool:
    """Revoke a key; `False` when there is none that is not revoked."""
    return bool(await executor.fetch(_REVOKE, {"key_id": key_id, "now": micros(now)}))


async def count_uses(executor: Executor, uses: Sequence[KeyUse]) -> None:
    """Add to the requests of the keys' days."""
    for use in sorted(uses, key=lambda use: (use.key_id, use.day)):  # one order for all, so that nobody waits in a ring
        counted = {"key_id": use.key_id, "day": day_number(use.day), "requests": use.requests}
        await executor.fetch(_COUNT, counted)
        await executor.fetch(_USED, {"key_id": use.key_id, "used": micros(use.last_used_at)})


async def key_usage(executor: Executor, key_id: KeyId, *, since: date) -> list[tuple[date, int]]:
    """Requests of each day."""
    return days_of(await executor.fetch(_USAGE, {"usage_key": key_id, "since": day_number(since)}))


def values(key: ApiKey) -> dict[str, Any]:
    """The parameters of a new row, but for its tenant and owner."""
    return {
        "id": key.id,
        "digest": key.digest,
        "prefix": key.prefix,
        "style": key.style.value,
        "scopes": _SEPARATOR.join(sorted(key.scopes)),
        "created_at": micros(key.created_at),
        "expires_at": micros_or_none(key.expires_at),
        "revoked_at": micros_or_none(key.revoked_at),
        "environment": key.environment.value,
        "name": key.name,
        "description": key.description,
        "requests_per_minute": key.requests_per_minute,
        "last_used_at": micros_or_none(key.last_used_at),
        "budget": _budget(key),
        "account": key.account,
    }


def changes(key: ApiKey) -> dict[str, Any]:
    """The parameters of `CHANGES`."""
    return {
        "key_id": key.id,
        "new_name": key.name,
        "new_description": key.description,
        "new_scopes": _SEPARATOR.join(sorted(key.scopes)),
        "new_limit": key.requests_per_minute,
        "new_budget": _budget(key),
        "new_end": micros_or_none(key.expires_at),
        "now": micros_or_none(key.revoked_at),
    }


def day_number(day: date) -> int:
    """A day as it is stored."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The day that is stored as that number."""
    return _EPOCH + timedelta(days=number)


def days_of(rows: Sequence[Row]) -> list[tuple[date, int]]:
    """The days and requests of rows of `USAGE`."""
    return [(day_of(day), requests) for day, requests in rows]


def key_of(row: Row) -> ApiKey:
    """The key of a row of `COLUMNS`."""
    key_id, tenant, owner, digest, prefix, style, scopes, created, expires, revoked, *rest = row
    environment, name, description, limit, used, budget, account = rest
    return ApiKey(
        id=key_id,
        owner=Owner(tenant, owner),
        digest=digest,
        prefix=prefix,
        style=KeyStyle(style),
        scopes=frozenset(scopes.split(_SEPARATOR)) if scopes else frozenset(),
        created_at=moment(created),
        expires_at=moment_or_none(expires),
        revoked_at=moment_or_none(revoked),
        environment=KeyEnvironment(environment),
        name=name,
        description=description,
        requests_per_minute=limit,
        last_used_at=moment_or_none(used),
        budget=_BUDGET.loads(budget) if budget else UNBOUNDED,
        account=account,
    )


def _budget(key: ApiKey) -> str | None:
    return None if key.budget.is_unbounded else _BUDGET.dumps(key.budget)
