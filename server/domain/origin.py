"""Where a message of a model comes from."""

from server.domain.value import value


@value(frozen=True, slots=True)
class Origin:
    """A provider, by its name in the configuration, and a model as that provider knows it."""

    provider: str
    model: str
