"""Organizations as the transaction's owner sees them."""

from typing import Final

from sqlalchemy import literal_column, select

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.statement import owned, parameter
from server.adapters.store.times import moment
from server.domain.ids import OrganizationId
from server.domain.organization import MemberRole, Membership

_table = tables.memberships
_organization = tables.organizations.c
_COLUMNS: Final = (_organization.id, _organization.name, _table.c.role, _organization.created_at)

_active = (
    select(*_COLUMNS)
    .select_from(_table.join(tables.organizations, _organization.id == _table.c.organization_id))
    .where(_table.c.active == literal_column("1"))
)
_MEMBERSHIPS = owned(_active.order_by(_organization.name, _organization.id), _table)
_MEMBERSHIP = owned(_active.where(_table.c.organization_id == parameter(_table.c.organization_id)), _table)


class StoredOrganizations:
    """See `ports.store.Organizations`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def memberships(self) -> list[Membership]:
        """The organizations in which the owner is an active member, by name."""
        return [_membership(row) for row in await self._scope.fetch(_MEMBERSHIPS)]

    async def membership(self, organization_id: OrganizationId) -> Membership | None:
        """The owner's active membership of one organization."""
        row = await self._scope.fetch_one(_MEMBERSHIP, organization_id=organization_id)
        return None if row is None else _membership(row)


def _membership(row: Row) -> Membership:
    organization_id, name, role, created = row
    return Membership(organization_id, name, MemberRole(role), moment(created))
