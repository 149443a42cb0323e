"""The configured providers and their models, by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from server.adapters.provider.configuration import ProviderConfig, ProviderKind, ProvidersConfig
from server.adapters.provider.echo import EchoProvider
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.provider.provider_config import find_image_model, unlisted_model
from server.adapters.provider.retrying import ClosableProvider, RetryingProvider
from server.domain.errors import ImagesUnavailable, UnknownModel
from server.domain.ids import ModelId
from server.domain.model import Model
from server.ports.provider import Provider
from server.ports.system import Clock


class Registry:
    """Implements `ports.provider.Models` over a configuration. Leaving the context closes the providers.

    A name is looked for among the listed models, in the order of the configuration; if none has it, the first provider
    that accepts any model serves it under just that name.
    """

    def __init__(self, config: ProvidersConfig, providers: Iterable[ClosableProvider]) -> None:
        self._providers: Mapping[str, ClosableProvider] = {provider.name: provider for provider in providers}
        self._default = config.default_model
        self._listed = _default_first(config)
        self._by_name = {model.name: model for model in reversed(_in_order(config))}
        self._by_id = {model.id: model for model in self._listed}
        self._configs = config.providers
        self._image_model = config.image_model
        self._accepting_any = {one.name: one for one in config.providers if one.accepts_any_model}
        self._offline = frozenset(one.name for one in config.providers if one.kind is ProviderKind.ECHO)

    def resolve(self, name: str | None) -> Model:
        """The model of that name, the default model for `None`. Raises `UnknownModel`."""
        if name is None or name == self._default.name:
            return self._default
        listed = self._by_name.get(name)
        if listed is not None:
            return listed
        if not self._accepting_any or not name:
            raise UnknownModel(name)
        return unlisted_model(next(iter(self._accepting_any.values())), name)

    def offered(self, provider: str, name: str) -> Model:
        """The model of that name at that provider, listed or passed through. Raises `UnknownModel`."""
        listed = self._by_id.get(Model(provider=provider, name=name).id)
        if listed is not None:
            return listed
        if provider not in self._accepting_any or not name:
            raise UnknownModel(f"{provider}/{name}")
        return unlisted_model(self._accepting_any[provider], name)

    def image_model(self) -> Model | None:
        """The model that draws when nobody names one; `None` when none is configured."""
        return self._image_model

    def resolve_image(self, name: str | None) -> Model:
        """The model of that name to draw with, the default one for `None`. Raises `UnknownModel`,
        `ImagesUnavailable`."""
        if self._image_model is None:
            raise ImagesUnavailable
        if name is None or name == self._image_model.name:
            return self._image_model
        found = find_image_model(self._configs, name)
        if found is None:
            raise UnknownModel(name)
        return found

    def by_id(self, model_id: ModelId) -> Model:
        """The listed model of that id; one that is merely passed through has none. Raises `UnknownModel`."""
        try:
            return self._by_id[model_id]
        except KeyError:
            raise UnknownModel(model_id) from None

    def all(self) -> Sequence[Model]:
        """Every listed model, the default one first."""
        return self._listed

    def provider(self, name: str) -> Provider:
        """The provider of that name. Raises `UnknownModel` when the configuration no longer has it."""
        try:
            return self._providers[name]
        except KeyError:
            raise UnknownModel(name) from None

    def is_offline(self, provider: str) -> bool:
        """Whether no model stands behind the provider of that name."""
        return provider in self._offline

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as stack:
            for provider in self._providers.values():
                stack.push_async_callback(provider.aclose)


def build_registry(config: ProvidersConfig, *, clock: Clock, random: Callable[[], float]) -> Registry:
    """The providers that `config` describes. Enter the result on the loop that uses it; nothing is connected yet.

    `random` gives numbers in [0, 1) for the delays between retries, e.g. `random.random`.
    """
    return Registry(config, [_build(one, clock, random) for one in config.providers])


def _build(config: ProviderConfig, clock: Clock, random: Callable[[], float]) -> ClosableProvider:
    match config.kind:
        case ProviderKind.ECHO:
            return EchoProvider(name=config.name, clock=clock, word_delay=config.word_delay)
        case ProviderKind.OPENAI_COMPATIBLE:
            return RetryingProvider(OpenAICompatibleProvider(config, clock=clock), clock=clock, random=random)


def _in_order(config: ProvidersConfig) -> list[Model]:
    return [model for provider in config.providers for model in provider.models]


def _default_first(config: ProvidersConfig) -> tuple[Model, ...]:
    others = [model for model in _in_order(config) if model.id != config.default_model.id]
    return (config.default_model, *others)
