"""The registry finds models by name and id and closes its providers."""

import tomllib

import pytest

from server.adapters.provider.configuration import load_providers
from server.adapters.provider.echo import EchoProvider
from server.adapters.provider.registry import Registry, build_registry
from server.adapters.provider.retrying import RetryingProvider
from server.domain.attachment import EVERYTHING
from server.domain.errors import ImagesUnavailable, UnknownModel
from server.domain.ids import ModelId
from server.domain.model import Model
from server.ports.provider import Models
from tests.support.scripted_provider import ScriptedProvider
from tests.unit.providers.clocks import InstantClock

TWO = """
[[providers]]
name = "work"
base_url = "http://127.0.0.1:9/v1"
models = ["small", "shared"]
[[providers]]
name = "other"
base_url = "http://127.0.0.1:9/v1"
models = ["shared", "own"]
"""


def _registry(toml: str | None = None, **env: str) -> Registry:
    config = load_providers(toml=None if toml is None else tomllib.loads(toml), env=env)
    return build_registry(config, clock=InstantClock(), random=lambda: 0.5)


def test_no_name_means_the_default_model() -> None:
    assert _registry(TWO).resolve(None) == Model("work", "small")


def test_a_name_means_the_first_listed_model_that_bears_it() -> None:
    registry = _registry(TWO)
    assert registry.resolve("shared") == Model("work", "shared")
    assert registry.resolve("own") == Model("other", "own")


@pytest.mark.parametrize("name", ["nobody", "", "SMALL", "work/small"])
def test_listed_providers_offer_just_what_they_list(name: str) -> None:
    with pytest.raises(UnknownModel):
        _registry(TWO).resolve(name)


def test_a_name_that_nobody_lists_is_passed_through_to_the_first_provider_that_accepts_any() -> None:
    registry = _registry(TWO + '[[providers]]\nname = "any"\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert registry.resolve("openai/gpt-4o") == Model("any", "openai/gpt-4o")
    assert registry.resolve("own") == Model("other", "own")
    with pytest.raises(UnknownModel):
        registry.resolve("")


def test_echo_alone_answers_for_any_model() -> None:
    assert _registry().resolve("openai/gpt-4o") == Model("echo", "openai/gpt-4o", accepted=EVERYTHING)


def test_every_listed_model_is_listed_once_the_default_first() -> None:
    registry = _registry('default_model = "own"\n' + TWO)
    assert list(registry.all()) == [
        Model("other", "own"),
        Model("work", "small"),
        Model("work", "shared"),
        Model("other", "shared"),
    ]


def test_ids_tell_models_of_one_name_apart() -> None:
    registry = _registry(TWO)
    assert [registry.by_id(model.id) for model in registry.all()] == list(registry.all())
    assert len({model.id for model in registry.all()}) == 4
    with pytest.raises(UnknownModel):
        registry.by_id(ModelId("00000000-0000-0000-0000-000000000000"))


def test_a_default_that_is_passed_through_is_listed_and_has_an_id() -> None:
    registry = _registry('default_model = "z"\n[[providers]]\nname = "a"\nmodels = ["x"]\naccepts_any_model = true\n')
    assert list(registry.all()) == [Model("a", "z"), Model("a", "x")]
    assert registry.by_id(Model("a", "z").id) == Model("a", "z")


def test_providers_are_found_by_name() -> None:
    registry = _registry(TWO)
    assert registry.provider("other").name == "other"
    with pytest.raises(UnknownModel):
        registry.provider("gone")


async def test_remote_providers_retry_and_echo_need_not() -> None:
    async with _registry(TWO + '[[providers]]\nname = "e"\nkind = "echo"\n') as registry:
        assert isinstance(registry.provider("work"), RetryingProvider)
        assert isinstance(registry.provider("e"), EchoProvider)


@pytest.mark.parametrize(
    ("registry", "echo"),
    [
        (_registry(), True),
        (_registry(OPENROUTER_API_KEY="sk-or-1"), False),
        (_registry(TWO + '[[providers]]\nname = "e"\nkind = "echo"\n'), False),
        (_registry('default_model = "echo"\n' + TWO + '[[providers]]\nname = "e"\nkind = "echo"\n'), True),
    ],
)
def test_it_says_whether_answers_come_from_echo(registry: Registry, echo: bool) -> None:
    assert registry.is_offline(registry.resolve(None).provider) is echo


async def test_leaving_closes_every_provider_even_when_one_fails() -> None:
    class Failing(ScriptedProvider):
        async def aclose(self) -> None:
            await super().aclose()
            raise RuntimeError("cannot close")

    providers = [Failing(name="work"), ScriptedProvider(name="other")]
    registry = Registry(load_providers(toml=tomllib.loads(TWO), env={}), providers)
    with pytest.raises(RuntimeError, match="cannot close"):
        async with registry:
            assert not any(provider.closed for provider in providers)
    assert all(provider.closed for provider in providers)


def test_it_is_what_the_port_asks_for() -> None:
    models: Models = _registry()
    assert models.resolve(None).name == "echo"


DRAWING = """
[[providers]]
name = "writes"
base_url = "http://127.0.0.1:9/v1"
[[providers]]
name = "draws"
base_url = "http://127.0.0.1:9/v1"
models = ["small"]
image_model = "painter"
[[providers]]
name = "any"
base_url = "http://127.0.0.1:9/v1"
image_model = "sketcher"
"""


def test_the_first_image_model_draws_unless_another_is_named() -> None:
    registry = _registry(DRAWING)
    assert registry.image_model() == registry.resolve_image(None) == Model("draws", "painter")
    assert registry.resolve_image("sketcher") == Model("any", "sketcher")
    assert registry.resolve_image("new/brush") == Model("any", "new/brush")
    assert _registry(f'default_image_model = "sketcher"\n{DRAWING}').resolve_image(None) == Model("any", "sketcher")


def test_only_providers_with_an_image_model_draw() -> None:
    registry = _registry(TWO)
    assert registry.image_model() is None
    for name in (None, "small", "dall-e-3"):
        with pytest.raises(ImagesUnavailable):
            registry.resolve_image(name)


@pytest.mark.parametrize("name", ["small", ""])
def test_a_provider_draws_with_what_it_lists(name: str) -> None:
    with pytest.raises(UnknownModel):
        _registry(f'{TWO}image_model = "painter"\n').resolve_image(name)


def test_an_image_model_is_none_that_writes() -> None:
    registry = _registry(f'{TWO}image_model = "painter"\n')
    assert [model.name for model in registry.all()] == ["small", "shared", "shared", "own"]
    with pytest.raises(UnknownModel):
        registry.resolve("painter")


def test_a_model_is_found_at_the_provider_that_is_named() -> None:
    registry = _registry(TWO)
    assert registry.resolve("shared") == Model("work", "shared")
    assert registry.offered("other", "shared") == Model("other", "shared")


@pytest.mark.parametrize(("provider", "name"), [("work", "own"), ("gone", "small"), ("other", ""), ("", "small")])
def test_a_model_that_the_named_provider_does_not_list_is_unknown(provider: str, name: str) -> None:
    with pytest.raises(UnknownModel):
        _registry(TWO).offered(provider, name)


def test_a_provider_that_takes_any_model_offers_it() -> None:
    registry = _registry(TWO + '[[providers]]\nname = "e"\nkind = "echo"\naccepts_any_model = true\n')
    assert registry.offered("e", "small") == Model("e", "small", accepted=EVERYTHING)
    with pytest.raises(UnknownModel):
        registry.offered("e", "")


def test_only_echo_is_offline() -> None:
    registry = _registry(TWO + '[[providers]]\nname = "e"\nkind = "echo"\n')
    assert [registry.is_offline(name) for name in ("work", "e", "gone")] == [False, True, False]
