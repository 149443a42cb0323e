"""Which models an organization can use: the configured ones, and those it added itself."""

from dataclasses import dataclass

from server.application.membership import require
from server.application.repeats import Repeats
from server.domain.errors import ModelInactive, UnknownModel, UnknownProvider
from server.domain.ids import ModelId, OrganizationId
from server.domain.model import Model
from server.domain.organization import MemberRole
from server.domain.principal import Owner, Principal
from server.ports.provider import Models
from server.ports.store import Store, Transaction
from server.ports.system import Clock


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model in an organization's list."""

    model: Model
    is_active: bool
    """Whether it can be used: its provider is configured."""


@dataclass(frozen=True, slots=True)
class _Added:
    """What an organization can use from now on."""

    provider: str
    name: str


class Catalogue:
    """The models of organizations."""

    def __init__(self, *, store: Store, clock: Clock, models: Models, repeats: Repeats) -> None:
        self._store = store
        self._clock = clock
        self._models = models
        self._repeats = repeats

    async def models(self, owner: Owner, organization_id: OrganizationId) -> list[OfferedModel]:
        """The configured models, the default one first, then the added ones. Raises `NotAMember`."""

        async def unit(tx: Transaction) -> list[Model]:
            await require(tx, organization_id)
            return await tx.models.of_organization(organization_id)

        added = await self._store.read(owner, unit)
        configured = {model.id: model for model in self._models.all()}
        return [
            *(OfferedModel(model, is_active=True) for model in configured.values()),
            *(OfferedModel(model, self._is_served(model)) for model in added if model.id not in configured),
        ]

    async def add(
        self, principal: Principal, organization_id: OrganizationId, *, provider: str, name: str
    ) -> OfferedModel:
        """Let an organization use a further model of a configured provider; one that it can use already stays as it is.

        Whether the provider has it shows when it is used. Raises `NotAMember`, `RoleMissing`, `UnknownProvider`.
        """
        model, now = Model(provider, name), self._clock.now()
        configured = self._configured(model.id)

        async def unit(tx: Transaction) -> _Added:
            await require(tx, organization_id, MemberRole.ADMIN)
            if not self._is_served(model):
                raise UnknownProvider(provider)
            if configured is None:
                await tx.models.add(organization_id, model, now)
            return _Added(provider, name)

        await self._repeats.write(principal, _Added, unit)
        return OfferedModel(configured or model, is_active=True)

    async def usable(self, tx: Transaction, organization_id: OrganizationId, model_id: ModelId) -> Model:
        """The model of that id, if the organization can use it now. Raises `UnknownModel`, `ModelInactive`."""
        configured = self._configured(model_id)
        if configured is not None:
            return configured
        added = await tx.models.get(organization_id, model_id)
        if added is None:
            raise UnknownModel(model_id)
        if not self._is_served(added):
            raise ModelInactive(provider=added.provider, model=added.name)
        return added

    async def usable_ids(self, tx: Transaction, organization_id: OrganizationId) -> frozenset[ModelId]:
        """Ids of everything that the organization can use now."""
        added = await tx.models.of_organization(organization_id)
        return frozenset(model.id for model in (*self._models.all(), *filter(self._is_served, added)))

    def _configured(self, model_id: ModelId) -> Model | None:
        try:
            return self._models.by_id(model_id)
        except UnknownModel:
            return None

    def _is_served(self, model: Model) -> bool:
        try:
            self._models.provider(model.provider)
        except UnknownModel:
            return False
        return True
