"""Use cases of organizations: what the caller belongs to, and who else does."""

from collections.abc import Callable

from server.application.membership import require
from server.application.repeats import Repeats
from server.domain.audit import Act, Deed
from server.domain.errors import UserNotFound
from server.domain.ids import OrganizationId
from server.domain.organization import (
    Member,
    MemberRole,
    Membership,
    Organization,
    check_may_change,
    deactivated,
    with_role,
)
from server.domain.principal import Owner, Principal
from server.ports.store import Store, Transaction
from server.ports.system import Clock, Ids


class Organizations:
    """Organizations of a caller."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids, repeats: Repeats) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._repeats = repeats

    async def of(self, owner: Owner) -> list[Membership]:
        """The organizations in which the owner is an active member."""
        return await self._store.read(owner, lambda tx: tx.organizations.memberships())

    async def create(self, principal: Principal, name: str) -> Membership:
        """Make an organization, with the owner as its Owner. Raises `OrganizationNameTaken`."""
        now = self._clock.now()
        made = Organization(OrganizationId(str(self._ids.uuid())), name, now)

        async def unit(tx: Transaction) -> Membership:
            await tx.organizations.add(made)
            return Membership(made.id, name, MemberRole.OWNER, now)

        def deeds(membership: Membership) -> list[Deed]:
            return [Deed(Act.ORGANIZATION_CREATED, membership.organization_id)]

        return (await self._repeats.write(principal, Membership, unit, deeds=deeds)).result

    async def members(self, owner: Owner, organization_id: OrganizationId) -> list[Member]:
        """Everybody in an organization by name, inactive members included. Raises `NotAMember`."""

        async def unit(tx: Transaction) -> list[Member]:
            await require(tx, organization_id)
            return await tx.organizations.members(organization_id)

        return await self._store.read(owner, unit)

    async def set_member(
        self, principal: Principal, organization_id: OrganizationId, *, user: str, role: MemberRole
    ) -> Member:
        """Make a user of the tenant an active member of that role, or change a member's.

        Raises `NotAMember`, `RoleMissing`, `UserNotFound`, `LastOwner`.
        """

        async def unit(tx: Transaction) -> Member:
            members = await tx.organizations.lock_members(organization_id)
            actor = await require(tx, organization_id, MemberRole.ADMIN)
            check_may_change(actor.role, _named(members, user), role)
            changed = with_role(members, user, role, self._clock.now())
            await tx.organizations.set_member(organization_id, changed)
            return changed

        deeds = _deeds(Act.MEMBER_SET, organization_id)
        return (await self._repeats.write(principal, Member, unit, deeds=deeds)).result

    async def remove_member(self, principal: Principal, organization_id: OrganizationId, user: str) -> Member:
        """Deactivate a member; one who is inactive stays so.

        Raises `NotAMember`, `RoleMissing`, `UserNotFound` (who never was a member), `LastOwner`.
        """

        async def unit(tx: Transaction) -> Member:
            members = await tx.organizations.lock_members(organization_id)
            actor = await require(tx, organization_id, MemberRole.ADMIN)
            member = _named(members, user)
            if member is None:
                raise UserNotFound(user)
            check_may_change(actor.role, member, None)
            changed = deactivated(members, member)
            await tx.organizations.set_member(organization_id, changed)
            return changed

        deeds = _deeds(Act.MEMBER_REMOVED, organization_id)
        return (await self._repeats.write(principal, Member, unit, deeds=deeds)).result


def _deeds(act: Act, organization_id: OrganizationId) -> Callable[[Member], list[Deed]]:
    """What the audit is told of a member: the organization, the user and the role."""
    return lambda member: [Deed(act, f"{organization_id}/{member.user}/{member.role}")]


def _named(members: list[Member], user: str) -> Member | None:
    return next((member for member in members if member.user == user), None)
