"""Use cases of organizations: what the caller belongs to, and the models it can use."""

from collections.abc import Sequence

from server.domain.errors import NotAMember
from server.domain.ids import OrganizationId
from server.domain.model import Model
from server.domain.organization import Membership
from server.domain.principal import Owner
from server.ports.provider import Models
from server.ports.store import Store, Transaction


class Organizations:
    """Organizations of a caller."""

    def __init__(self, *, store: Store, models: Models) -> None:
        self._store = store
        self._models = models

    async def of(self, owner: Owner) -> list[Membership]:
        """The organizations in which the owner is an active member."""
        return await self._store.read(owner, lambda tx: tx.organizations.memberships())

    async def models(self, owner: Owner, organization_id: OrganizationId) -> Sequence[Model]:
        """The models of an organization. Raises `NotAMember`."""
        await self._store.read(owner, lambda tx: membership(tx, organization_id))
        return self._models.all()


async def membership(tx: Transaction, organization_id: OrganizationId) -> Membership:
    """The owner's membership; whether the organization exists at all is not told. Raises `NotAMember`."""
    found = await tx.organizations.membership(organization_id)
    if found is None:
        raise NotAMember
    return found
