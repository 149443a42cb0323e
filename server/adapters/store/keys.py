"""API keys, for the service itself."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from server.adapters.store import tables
from server.adapters.store.executor import Executor, Row
from server.adapters.store.statement import Statement, parameter
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyStyle
from server.domain.principal import Owner

_table = tables.api_keys
_c = _table.c
_COLUMNS: Final = (
    *(_c.id, _c.tenant, _c.owner, _c.digest, _c.prefix, _c.style, _c.scopes, _c.created_at, _c.expires_at),
    _c.revoked_at,
)
_SEPARATOR: Final = " "  # a scope holds none

_BY_DIGEST = Statement(select(*_COLUMNS).where(_c.digest == parameter(_c.digest)))
_ALL = Statement(select(*_COLUMNS).order_by(_c.created_at, _c.id))
_ADD = Statement(insert(_table))
_REVOKE = Statement(
    update(_table)
    .where(_c.id == bindparam("key_id"), _c.revoked_at.is_(None))
    .values(revoked_at=parameter(_c.revoked_at, "now"))
    .returning(_c.id)
)


async def key_by_digest(executor: Executor, digest: str) -> ApiKey | None:
    """The key of that digest, valid or not."""
    rows = await executor.fetch(_BY_DIGEST, {"digest": digest})
    return _key(rows[0]) if rows else None


async def all_keys(executor: Executor) -> list[ApiKey]:
    """All keys, the oldest first."""
    return [_key(row) for row in await executor.fetch(_ALL, {})]


async def add_key(executor: Executor, key: ApiKey) -> None:
    """Store a new key. Raises `RowRefused` when its id or digest exists."""
    values = {
        "id": key.id,
        "tenant": key.owner.tenant,
        "owner": key.owner.user,
        "digest": key.digest,
        "prefix": key.prefix,
        "style": key.style.value,
        "scopes": _SEPARATOR.join(sorted(key.scopes)),
        "created_at": micros(key.created_at),
        "expires_at": micros_or_none(key.expires_at),
        "revoked_at": micros_or_none(key.revoked_at),
    }
    await executor.fetch(_ADD, values)


async def revoke_key(executor: Executor, key_id: KeyId, now: datetime) -> bool:
    """Revoke a key; `False` when there is none that is not revoked."""
    return bool(await executor.fetch(_REVOKE, {"key_id": key_id, "now": micros(now)}))


def _key(row: Row) -> ApiKey:
    key_id, tenant, owner, digest, prefix, style, scopes, created, expires, revoked = row
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
    )
