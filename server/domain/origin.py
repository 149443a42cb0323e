"""Where a message of a model comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A provider, by its name in the configuration, and a model as that provider knows it."""

    provider: str
    model: str
