"""The `[memory]` of the configuration file."""

from typing import Any

import pytest

from server.adapters.memory.configuration import EmbedderConfig, read_memory
from server.adapters.provider.configuration import ConfigurationError, load_providers

PROVIDERS = load_providers(
    toml={
        "providers": [
            {"name": "openai", "base_url": "http://127.0.0.1:1/v1", "models": ["m"]},
            {"name": "other", "base_url": "http://127.0.0.1:2/v1", "models": ["n"]},
            {"name": "parrot", "kind": "echo"},
        ]
    },
    env={},
)


def read(memory: Any) -> EmbedderConfig | None:
    return read_memory({"memory": memory}, PROVIDERS)


def test_without_it_no_model_is_needed() -> None:
    assert read_memory(None, PROVIDERS) is None
    assert read_memory({}, PROVIDERS) is None


def test_it_names_a_provider_and_its_model() -> None:
    assert read({"provider": "other", "model": "e", "dimensions": 256}) == EmbedderConfig(
        PROVIDERS.provider("other"), "e", 256
    )
    assert read({"model": "e"}) == EmbedderConfig(PROVIDERS.provider("openai"), "e")


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        ({}, "memory.model: missing"),
        ({"model": ""}, "memory.model: must not be empty"),
        ({"model": "e", "provider": "nobody"}, "there are openai, other"),
        ({"model": "e", "provider": "parrot"}, "'parrot' is no provider with embeddings"),
        ({"model": "e", "dimensions": 0}, "memory.dimensions: expected a positive whole number"),
        ({"model": "e", "dimension": 3}, "memory.dimension: no such key"),
        ([], "memory: expected a table"),
    ],
)
def test_what_is_wrong_is_said(memory: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(memory)
