"""Organizations as the transaction's owner sees them."""

from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import members, tables
from server.adapters.store.executor import Row
from server.adapters.store.scope import Scope
from server.adapters.store.sharing import ACTIVE, is_mine, shared
from server.adapters.store.statement import Owned, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.errors import OrganizationNameTaken, UserNotFound
from server.domain.ids import OrganizationId
from server.domain.organization import Member, MemberRole, Membership, Organization

_table = tables.memberships
_organization = tables.organizations.c
_COLUMNS: Final = (_organization.id, _organization.name, _table.c.role, _organization.created_at)
_of_one = _table.c.organization_id == parameter(_table.c.organization_id)

_active = (
    select(*_COLUMNS)
    .select_from(_table.join(tables.organizations, _organization.id == _table.c.organization_id))
    .where(_table.c.active == ACTIVE)
)
_MEMBERSHIPS = owned(_active.order_by(_organization.name, _organization.id), _table)
_MEMBERSHIP = owned(_active.where(_of_one), _table)

# Nothing is done when the name is taken: an error would end the whole transaction on PostgreSQL.
_ADD = Owned(
    insert(tables.organizations)
    .on_conflict_do_nothing(index_elements=[_organization.tenant, _organization.name])
    .returning(_organization.id)
)
_ADD_OWN_MEMBERSHIP = owned_insert(_table)

_MEMBERS = shared(select(*members.COLUMNS).where(_of_one).order_by(_table.c.owner), _table)
# Locking the organization, not its members, also keeps out those who would become one.
_LOCK = Owned(
    select(_organization.id)
    .where(_organization.id == parameter(_table.c.organization_id), is_mine(_organization.id))
    .with_for_update()
)
_SET_MEMBER = Owned(members.upsert(members.NEW_MEMBER.where(is_mine(parameter(_table.c.organization_id)))))


class StoredOrganizations:
    """See `ports.organizations.Organizations`."""

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

    async def add(self, organization: Organization) -> None:
        """Store a new one and the owner's membership. Raises `OrganizationNameTaken`."""
        created = micros(organization.created_at)
        if not await self._scope.fetch(_ADD, id=organization.id, name=organization.name, created_at=created):
            raise OrganizationNameTaken(organization.name)
        await self._scope.fetch(
            _ADD_OWN_MEMBERSHIP,
            organization_id=organization.id,
            role=MemberRole.OWNER.value,
            active=1,
            created_at=created,
        )

    async def members(self, organization_id: OrganizationId) -> list[Member]:
        """Members of every role by name."""
        rows = await self._scope.fetch(_MEMBERS, organization_id=organization_id)
        return [members.member_of(row) for row in rows]

    async def lock_members(self, organization_id: OrganizationId) -> list[Member]:
        """As `members`, locked."""
        await self._scope.fetch(_LOCK, organization_id=organization_id)
        return await self.members(organization_id)

    async def set_member(self, organization_id: OrganizationId, member: Member) -> None:
        """Store a member or overwrite it. Raises `UserNotFound`, also when the owner is no active member."""
        if not await self._scope.fetch(_SET_MEMBER, **members.values(organization_id, member)):
            raise UserNotFound(member.user)


def _membership(row: Row) -> Membership:
    organization_id, name, role, created = row
    return Membership(organization_id, name, MemberRole(role), moment(created))
