"""Organizations of a tenant, their members, and who of them may do what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from server.domain.errors import LastOwner, RoleMissing
from server.domain.ids import OrganizationId
from server.domain.scope import ERASE_SCOPE, EXPORT_SCOPE, READING_SCOPES, WILDCARD_SCOPE


class MemberRole(StrEnum):
    """What a member may do, the mightiest first: each role may do whatever those behind it may. A guest reads only, a
    member has conversations, an admin has members and models, too; only an owner makes and unmakes owners."""

    OWNER = "Owner"
    ADMIN = "Admin"
    MEMBER = "Member"
    GUEST = "Guest"

    def covers(self, least: "MemberRole") -> bool:
        """Whether this role may do what `least` may."""
        mightiest_first = list(MemberRole)
        return mightiest_first.index(self) <= mightiest_first.index(least)


ROLE_SCOPES: Final[Mapping[MemberRole, frozenset[str]]] = {
    MemberRole.OWNER: frozenset({WILDCARD_SCOPE}),
    MemberRole.ADMIN: frozenset({WILDCARD_SCOPE}),
    MemberRole.MEMBER: frozenset({WILDCARD_SCOPE}),
    MemberRole.GUEST: READING_SCOPES | {EXPORT_SCOPE, ERASE_SCOPE},
}
"""The most that somebody may do who has that role in the tenant's default organization. What of it a person does is for
the token to say; an administrator may do no more with conversations than a member, but with the organization."""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization. Its name is unique within its tenant."""

    id: OrganizationId
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Membership:
    """An organization as one of its active members sees it."""

    organization_id: OrganizationId
    name: str
    role: MemberRole
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A user in an organization. One who is removed stays as an inactive member, who counts as a stranger."""

    user: str
    role: MemberRole
    is_active: bool
    created_at: datetime
    """When the user first became a member."""


def with_role(members: Iterable[Member], user: str, role: MemberRole, now: datetime) -> Member:
    """The user as an active member of that role. Raises `LastOwner` when nobody else would be an owner."""
    members = list(members)
    old = next((member for member in members if member.user == user), None)
    new = Member(user, role, is_active=True, created_at=old.created_at if old else now)
    _check_an_owner_remains(members, new)
    return new


def deactivated(members: Iterable[Member], member: Member) -> Member:
    """The member, from now on a stranger. Raises `LastOwner` when nobody else would be an owner."""
    new = replace(member, is_active=False)
    _check_an_owner_remains(members, new)
    return new


def check_may_change(actor: MemberRole, old: Member | None, role: MemberRole | None) -> None:
    """Raises `RoleMissing` unless a member of the role `actor` may give `role` to who is `old` (`None`: no member yet),
    or remove who is (`role` is `None`): who is, or becomes, an owner is an owner's business."""
    concerns_an_owner = role is MemberRole.OWNER or _owns(old)
    least = MemberRole.OWNER if concerns_an_owner else MemberRole.ADMIN
    if not actor.covers(least):
        raise RoleMissing(least)


def _check_an_owner_remains(members: Iterable[Member], new: Member) -> None:
    members = list(members)
    others = [member for member in members if member.user != new.user]
    if any(map(_owns, members)) and not any(map(_owns, [new, *others])):
        raise LastOwner


def _owns(member: Member | None) -> bool:
    return member is not None and member.is_active and member.role is MemberRole.OWNER
