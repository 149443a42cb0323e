"""Organizations of a tenant and the roles of their members."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import OrganizationId


class MemberRole(StrEnum):
    """What a member may do; a guest reads only."""

    OWNER = "Owner"
    ADMIN = "Admin"
    MEMBER = "Member"
    GUEST = "Guest"


@dataclass(frozen=True, slots=True)
class Membership:
    """An organization as one of its active members sees it."""

    organization_id: OrganizationId
    name: str
    role: MemberRole
    created_at: datetime
