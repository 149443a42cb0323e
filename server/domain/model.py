"""A model that a configured provider offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.domain.attachment import TEXT_ALONE, AcceptedTypes
from server.domain.ids import ModelId, model_id


@dataclass(frozen=True, slots=True)
class Model:
    """One model; provider and name identify it."""

    provider: str
    name: str
    config: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """What of its settings concerns a caller, e.g. `context_tokens`."""
    accepted: AcceptedTypes = TEXT_ALONE
    """What files its users may show it."""

    @property
    def id(self) -> ModelId:
        """UUIDv5 of provider and name: the same on every node and after every restart."""
        return model_id(self.provider, self.name)
