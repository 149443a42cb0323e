"""Members of all organizations, for whoever operates the service. No caller of the APIs gets here."""

from collections.abc import Callable

from server.application.audit import Audit
from server.domain.audit import Act, Deed
from server.domain.errors import ParleyError, UserNotFound
from server.domain.organization import Member, MemberRole, Organization, deactivated, with_role
from server.domain.principal import Owner
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock


class OrganizationNotFound(ParleyError):
    """The tenant has no organization of that name. No caller of the APIs hears of it: to them what does not exist is
    what they are no member of."""

    reason = "ORGANIZATION_NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"the tenant has no organization called {name!r}")


class Members:
    """Members of every organization. Running servers go by what is changed here from the next call on."""

    def __init__(self, *, store: Store, clock: Clock, audit: Audit) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit

    async def of_tenant(self, tenant: str) -> list[tuple[Organization, Member]]:
        """Every member of every organization of a tenant, by names of organization and user."""
        return await self._store.read_system(lambda tx: tx.members(tenant))

    async def set(self, user: Owner, organization: str, role: MemberRole) -> Member:
        """Make a user an active member, or change a member's role. Raises `OrganizationNotFound`, `UserNotFound`,
        `LastOwner`."""
        return await self._change(
            user,
            organization,
            lambda members: with_role(members, user.user, role, self._clock.now()),
            act=Act.MEMBER_SET,
        )

    async def remove(self, user: Owner, organization: str) -> Member:
        """Deactivate a member. Raises `OrganizationNotFound`, `UserNotFound`, `LastOwner`."""

        def change(members: list[Member]) -> Member:
            for member in members:
                if member.user == user.user:
                    return deactivated(members, member)
            raise UserNotFound(user.user)

        return await self._change(user, organization, change, act=Act.MEMBER_REMOVED)

    async def _change(
        self, user: Owner, organization: str, change: Callable[[list[Member]], Member], *, act: Act
    ) -> Member:
        async def unit(tx: SystemTransaction) -> Member:
            found = await tx.lock_organization(user.tenant, organization)
            if found is None:
                raise OrganizationNotFound(organization)
            stored, members = found
            changed = change(members)
            await tx.set_member(user.tenant, stored.id, changed)
            await self._audit.record_operation(tx, user, Deed(act, f"{stored.id}/{changed.user}/{changed.role}"))
            return changed

        return await self._store.write_system(unit)
