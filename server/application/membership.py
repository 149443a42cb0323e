"""Who may do what in an organization: the one place that every use case of the conversations API asks."""

from server.domain.errors import NotAMember, RoleMissing
from server.domain.ids import OrganizationId
from server.domain.organization import MemberRole, Membership
from server.ports.store import Transaction


async def require(tx: Transaction, organization_id: OrganizationId, least: MemberRole = MemberRole.GUEST) -> Membership:
    """The owner's membership, in the unit that does what it permits.

    Raises `NotAMember` for strangers and inactive members, who are not told whether the organization exists at all, and
    `RoleMissing` for active members below the role `least`.
    """
    found = await tx.organizations.membership(organization_id)
    if found is None:
        raise NotAMember
    if not found.role.covers(least):
        raise RoleMissing(least)
    return found
