"""The `[memory]` of a configuration file: which model places memories among each other.

[memory]
provider = "openai"                      # one of the [[providers]]; by default the default model's
model = "text-embedding-3-small"         # what its embeddings endpoint is asked for
dimensions = 384                         # optional: for models that give as many numbers as they are asked for

Without it, texts are compared by the words and parts of words that they share: see `hashing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.adapters.provider.configuration import ConfigurationError, ProviderConfig, ProviderKind, ProvidersConfig
from server.adapters.provider.toml_table import TomlTable
from server.domain.memory import EmbeddingModel


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """An embedder behind a provider."""

    provider: ProviderConfig
    model: str
    dimensions: int | None = None

    @property
    def paid(self) -> EmbeddingModel:
        """What it is known by where calls are paid."""
        return EmbeddingModel(self.provider.name, self.model)


def read_memory(toml: Mapping[str, Any] | None, providers: ProvidersConfig) -> EmbedderConfig | None:
    """The embedder of a parsed file; `None` for the one that needs no model. Raises `ConfigurationError`."""
    if toml is None or "memory" not in toml:
        return None
    table = TomlTable(toml["memory"], "memory")
    name, model, dimensions = table.text("provider"), table.text("model"), table.whole("dimensions")
    table.reject_others()
    if model is None:
        raise ConfigurationError("memory.model: missing; name an embedding model of the provider")
    provider = _provider(name or providers.default_model.provider, providers)
    return EmbedderConfig(provider, model, dimensions)


def _provider(name: str, providers: ProvidersConfig) -> ProviderConfig:
    speaking = [each.name for each in providers.providers if each.kind is not ProviderKind.ECHO]
    if name not in speaking:
        there = ", ".join(speaking) or "none that has embeddings"
        raise ConfigurationError(f"memory.provider: {name!r} is no provider with embeddings; there are {there}")
    return providers.provider(name)
