"""What is known of a model provider before it is asked anything: plain frozen values, already checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from server.adapters.provider.echo import DEFAULT_WORD_DELAY
from server.domain.attachment import TEXT_ALONE, AcceptedTypes
from server.domain.model import Model

OPENAI_BASE_URL: Final = "https://api.openai.com/v1"
OPENROUTER_BASE_URL: Final = "https://openrouter.ai/api/v1"


class ConfigurationError(Exception):
    """The configuration of the providers cannot be used. The text names the key or variable and how to mend it, and
    shows no secret."""


class ProviderKind(StrEnum):
    """What speaks to the provider."""

    OPENAI_COMPATIBLE = "openai_compatible"
    ECHO = "echo"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a provider may stay silent."""

    connect: timedelta = timedelta(seconds=10)
    """For the connection, TLS included, or a free place among the connections."""
    first_token: timedelta = timedelta(seconds=120)
    """From asking to the first piece of the answer, connecting included. Comments that keep the line open do not
    count: models that think for minutes without showing it need a longer time. An image has as long, from asking to
    its last byte."""
    between_tokens: timedelta = timedelta(seconds=60)
    """From one event of the stream to the next, after the first piece."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One provider."""

    name: str
    kind: ProviderKind = ProviderKind.OPENAI_COMPATIBLE
    base_url: str = OPENAI_BASE_URL
    """What `/chat/completions` is appended to; no slash at its end, no credentials in it."""
    api_key: str | None = field(default=None, repr=False)
    """Sent as a bearer token; `None` for servers that ask for none."""
    models: tuple[Model, ...] = ()
    """The listed models, in the order in which they are shown."""
    image_model: Model | None = None
    """What draws its images; `None` for providers that draw none. It is not among `models`."""
    accepts_any_model: bool = False
    """Whether a model that is not listed is passed through to the provider."""
    accepted: AcceptedTypes = TEXT_ALONE
    """What files such a model takes."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request; they may hold secrets."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_tokens_field: str = "max_tokens"
    """How the provider calls the limit of an answer; OpenAI's own newer models know only `max_completion_tokens`."""
    word_delay: timedelta = DEFAULT_WORD_DELAY
    """Echo only: the time between two words."""


@dataclass(frozen=True, slots=True)
class ProvidersConfig:
    """All of them, at least one, with distinct names."""

    providers: tuple[ProviderConfig, ...]
    default_model: Model
    """What answers when nobody names a model."""
    image_model: Model | None = None
    """What draws when nobody names a model; `None` when nobody draws."""

    def provider(self, name: str) -> ProviderConfig:
        """The provider of that name. Raises `KeyError`."""
        for provider in self.providers:
            if provider.name == name:
                return provider
        raise KeyError(name)


def find_model(providers: tuple[ProviderConfig, ...], name: str) -> Model | None:
    """The model that a name means: the first listed one of that name, else one that is passed through, else none."""
    for provider in providers:
        for model in provider.models:
            if model.name == name:
                return model
    for provider in providers:
        if provider.accepts_any_model and name:
            return unlisted_model(provider, name)
    return None


def unlisted_model(provider: ProviderConfig, name: str) -> Model:
    """A model that is passed through to a provider which accepts any."""
    return Model(provider=provider.name, name=name, accepted=provider.accepted)


def find_image_model(providers: tuple[ProviderConfig, ...], name: str) -> Model | None:
    """The model that a name means to draw with: the configured one of that name, else one that is passed through to
    a provider that draws and accepts any, else none."""
    drawing = [provider for provider in providers if provider.image_model is not None]
    for provider in drawing:
        if provider.image_model is not None and provider.image_model.name == name:
            return provider.image_model
    for provider in drawing:
        if provider.accepts_any_model and name:
            return Model(provider=provider.name, name=name)
    return None
