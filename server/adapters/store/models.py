"""Models that organizations added, for the active members of those."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.scope import Scope
from server.adapters.store.sharing import is_mine, shared
from server.adapters.store.statement import OWNER, TENANT, Owned, parameter
from server.adapters.store.times import micros
from server.domain.ids import ModelId, OrganizationId
from server.domain.model import Model

_table = tables.models
_c = _table.c
_COLUMNS: Final = (_c.provider, _c.name)
_of_organization = select(*_COLUMNS).where(_c.organization_id == parameter(_c.organization_id))

_new = select(
    bindparam(TENANT, type_=_c.tenant.type),
    parameter(_c.organization_id),
    parameter(_c.id),
    bindparam(OWNER, type_=_c.owner.type),
    parameter(_c.provider),
    parameter(_c.name),
    parameter(_c.created_at),
).where(is_mine(parameter(_c.organization_id)))
_ADD = Owned(insert(_table).from_select([column.name for column in _c], _new).on_conflict_do_nothing())
_OF_ORGANIZATION = shared(_of_organization.order_by(_c.provider, _c.name), _table)
_GET = shared(_of_organization.where(_c.id == parameter(_c.id)), _table)


class StoredModels:
    """See `ports.organizations.AddedModels`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, organization_id: OrganizationId, model: Model, now: datetime) -> None:
        """Store one; one that is there stays."""
        await self._scope.fetch(
            _ADD,
            organization_id=organization_id,
            id=model.id,
            provider=model.provider,
            name=model.name,
            created_at=micros(now),
        )

    async def of_organization(self, organization_id: OrganizationId) -> list[Model]:
        """By provider and name."""
        rows = await self._scope.fetch(_OF_ORGANIZATION, organization_id=organization_id)
        return [Model(provider, name) for provider, name in rows]

    async def get(self, organization_id: OrganizationId, model_id: ModelId) -> Model | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, organization_id=organization_id, id=model_id)
        return None if row is None else Model(*row)
