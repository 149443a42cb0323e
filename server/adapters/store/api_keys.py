"""API keys of the transaction's owner."""

from datetime import date
from typing import Final

from sqlalchemy import select

from server.adapters.store import tables
from server.adapters.store.keys import CHANGES, COLUMNS, USAGE, changes, day_number, days_of, key_of, values
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import owned, owned_insert, parameter
from server.domain.ids import KeyId
from server.domain.key import ApiKey
from server.ports.store import ListPosition

_table = tables.api_keys
_c = _table.c

_ONE: Final = select(*COLUMNS).where(_c.id == parameter(_c.id))
_GET = owned(_ONE, _table)
_LOCK = owned(_ONE.with_for_update(), _table)
_newest_first = select(*COLUMNS).order_by(_c.created_at.desc(), _c.id.desc())
_PAGE = owned(_newest_first.where(listed_after(_c.created_at, _c.id)).limit(LIMIT), _table)
_ADD = owned_insert(_table)
_SAVE = owned(CHANGES, _table)
_USAGE = owned(USAGE, tables.key_usage)


class StoredApiKeys:
    """See `ports.keys.ApiKeys`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, key: ApiKey) -> None:
        """Store a new one, as the owner's."""
        await self._scope.fetch(_ADD, **values(key))

    async def get(self, key_id: KeyId) -> ApiKey | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=key_id)
        return None if row is None else key_of(row)

    async def lock(self, key_id: KeyId) -> ApiKey | None:
        """As `get`, locked."""
        row = await self._scope.fetch_one(_LOCK, id=key_id)
        return None if row is None else key_of(row)

    async def page(self, *, limit: int, after: ListPosition | None) -> list[ApiKey]:
        """The newest first."""
        return [key_of(row) for row in await self._scope.fetch(_PAGE, **list_parameters(limit, after))]

    async def save(self, key: ApiKey) -> None:
        """Overwrite what may change."""
        await self._scope.fetch(_SAVE, **changes(key))

    async def usage(self, key_id: KeyId, *, since: date) -> list[tuple[date, int]]:
        """Requests of each day."""
        return days_of(await self._scope.fetch(_USAGE, usage_key=key_id, since=day_number(since)))
