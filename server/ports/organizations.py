"""What a transaction of the store has of organizations; see `ports.store` for what holds of every part of one."""

from datetime import datetime
from typing import Protocol

from server.domain.ids import ModelId, OrganizationId
from server.domain.model import Model
from server.domain.organization import Member, Membership, Organization
from server.domain.principal import Owner


class Organizations(Protocol):
    """Organizations as the owner sees them. What concerns other members is there only while the owner is an active
    member itself."""

    async def memberships(self) -> list[Membership]:
        """The organizations in which the owner is an active member, by name."""

    async def membership(self, organization_id: OrganizationId) -> Membership | None:
        """The owner's active membership of one organization."""

    async def add(self, organization: Organization) -> None:
        """Store a new one, with the owner as its Owner. Raises `OrganizationNameTaken`."""

    async def members(self, organization_id: OrganizationId) -> list[Member]:
        """Members of every role by name, inactive ones included."""

    async def lock_members(self, organization_id: OrganizationId) -> list[Member]:
        """As `members`, and no other unit changes them until this one is over."""

    async def set_member(self, organization_id: OrganizationId, member: Member) -> None:
        """Store a member or overwrite its role and activity. Raises `UserNotFound` unless the tenant has the user."""


class AddedModels(Protocol):
    """Models that organizations added to the configured ones; there only for active members."""

    async def add(self, organization_id: OrganizationId, model: Model, now: datetime) -> None:
        """Store one; one that is there stays."""

    async def of_organization(self, organization_id: OrganizationId) -> list[Model]:
        """By provider and name."""

    async def get(self, organization_id: OrganizationId, model_id: ModelId) -> Model | None:
        """The one of that id."""


class AllMembers(Protocol):
    """Members of every organization, for the service itself."""

    async def members(self, tenant: str) -> list[tuple[Organization, Member]]:
        """Every member of every organization of a tenant, by names of organization and user."""

    async def member(self, user: Owner) -> Member | None:
        """What a user is in the tenant's default organization; `None`: nobody yet, whom `provision` makes a member.
        Raises `UserBeingErased`."""

    async def lock_organization(self, tenant: str, name: str) -> tuple[Organization, list[Member]] | None:
        """The organization of that name with its members, which no other unit changes until this one is over."""

    async def set_member(self, tenant: str, organization_id: OrganizationId, member: Member) -> None:
        """Store a member or overwrite its role and activity. Raises `UserNotFound` unless the tenant has the user."""
