"""Decides which model providers there are: the configuration file, else the environment, else the offline echo."""

from collections.abc import Mapping
from typing import Any, Final

from server.adapters.provider.accepted import accepted_words
from server.adapters.provider.endpoint import checked_api_key, checked_base_url, usual_headers, usual_max_tokens_field
from server.adapters.provider.provider_config import (
    OPENAI_BASE_URL,
    OPENROUTER_BASE_URL,
    ConfigurationError,
    ProviderConfig,
    ProviderKind,
    ProvidersConfig,
    Timeouts,
    find_image_model,
    find_model,
)
from server.adapters.provider.toml_providers import read_providers
from server.adapters.provider.toml_table import TomlTable
from server.domain.attachment import EVERYTHING
from server.domain.model import Model

__all__ = [
    "ConfigurationError",
    "ProviderConfig",
    "ProviderKind",
    "ProvidersConfig",
    "Timeouts",
    "load_providers",
]

_BASE_URL: Final = "PARLEY_OPENAI_BASE_URL"
_API_KEY: Final = "PARLEY_OPENAI_API_KEY"
_DEFAULT_MODEL: Final = "PARLEY_DEFAULT_MODEL"
_IMAGE_MODEL: Final = "PARLEY_IMAGE_MODEL"
_ACCEPTS: Final = "PARLEY_MODEL_ACCEPTS"
_OPENROUTER_KEY: Final = "OPENROUTER_API_KEY"
_OPENAI_MODEL: Final = "gpt-4o-mini"
_OPENAI_IMAGE_MODEL: Final = "gpt-image-1"
_OPENROUTER_MODEL: Final = "openai/gpt-4o-mini"


def load_providers(*, toml: Mapping[str, Any] | None, env: Mapping[str, str]) -> ProvidersConfig:
    """The providers to use, from the first of these that says something:

    1. `[[providers]]` of the parsed file (see `toml_providers`), with `default_model` and `default_image_model` beside
       them;
    2. `PARLEY_OPENAI_BASE_URL` or `PARLEY_OPENAI_API_KEY`: one OpenAI-compatible server;
    3. `OPENROUTER_API_KEY`: OpenRouter;
    4. echo.

    2 to 4 accept any model name. `PARLEY_DEFAULT_MODEL` names the default model of any of them, `PARLEY_IMAGE_MODEL`
    the one that draws, `PARLEY_MODEL_ACCEPTS` what files models of 2 and 3 take besides text; a variable that is blank
    counts as not set. Other keys of the file are not looked at. Raises
    `ConfigurationError`.
    """
    given = {name: value.strip() for name, value in env.items() if value.strip()}
    if toml is not None and "providers" in toml:
        return _from_file(toml, given)
    provider = _from_environment(given)
    return ProvidersConfig((provider,), provider.models[0], provider.image_model)


def _from_file(toml: Mapping[str, Any], env: Mapping[str, str]) -> ProvidersConfig:
    providers = read_providers(toml["providers"], env)
    listed = [model for provider in providers for model in provider.models]
    key, name = "default_model", TomlTable(toml, "").text("default_model")
    if _DEFAULT_MODEL in env:
        key, name = _DEFAULT_MODEL, env[_DEFAULT_MODEL]
    if name is None and not listed:
        raise ConfigurationError("default_model: missing; name a model, or list models in a [[providers]] table")
    default = listed[0] if name is None else find_model(providers, name)
    if default is None:
        offered = ", ".join(model.name for model in listed)
        raise ConfigurationError(f"{key}: no provider of the file offers {name!r}; there are {offered}")
    return ProvidersConfig(providers, default, _image_default(toml, providers, env))


def _image_default(
    toml: Mapping[str, Any], providers: tuple[ProviderConfig, ...], env: Mapping[str, str]
) -> Model | None:
    key, name = "default_image_model", TomlTable(toml, "").text("default_image_model")
    if _IMAGE_MODEL in env:
        key, name = _IMAGE_MODEL, env[_IMAGE_MODEL]
    if name is None:
        return next((provider.image_model for provider in providers if provider.image_model is not None), None)
    found = find_image_model(providers, name)
    if found is None:
        raise ConfigurationError(f"{key}: no provider of the file has {name!r} as its image_model")
    return found


def _from_environment(env: Mapping[str, str]) -> ProviderConfig:
    if _BASE_URL in env or _API_KEY in env:
        base_url = checked_base_url(env.get(_BASE_URL, OPENAI_BASE_URL), _BASE_URL)
        usual = (_OPENAI_MODEL, _OPENAI_IMAGE_MODEL) if base_url == OPENAI_BASE_URL else (None, None)
        return _pass_through("openai", base_url, _API_KEY, usual, env)
    if _OPENROUTER_KEY in env:
        return _pass_through("openrouter", OPENROUTER_BASE_URL, _OPENROUTER_KEY, (_OPENROUTER_MODEL, None), env)
    model = Model(provider="echo", name=env.get(_DEFAULT_MODEL, "echo"), accepted=EVERYTHING)
    image_model = Model(provider="echo", name=env.get(_IMAGE_MODEL, "echo"))
    return ProviderConfig(
        name="echo",
        kind=ProviderKind.ECHO,
        models=(model,),
        image_model=image_model,
        accepts_any_model=True,
        accepted=EVERYTHING,
    )


def _pass_through(
    name: str, base_url: str, key_variable: str, usual: tuple[str | None, str | None], env: Mapping[str, str]
) -> ProviderConfig:
    """A server known from the environment; `usual` are its models that write and draw where they can be assumed."""
    model, image_model = env.get(_DEFAULT_MODEL, usual[0]), env.get(_IMAGE_MODEL, usual[1])
    if model is None:
        raise ConfigurationError(f"{_DEFAULT_MODEL}: missing; name a model that the server at {_BASE_URL} offers")
    accepted = accepted_words(env.get(_ACCEPTS, "").replace(",", " ").split(), _ACCEPTS)
    return ProviderConfig(
        name=name,
        base_url=base_url,
        api_key=checked_api_key(env[key_variable], key_variable) if key_variable in env else None,
        models=(Model(provider=name, name=model, accepted=accepted),),
        image_model=None if image_model is None else Model(provider=name, name=image_model),
        accepts_any_model=True,
        accepted=accepted,
        headers=usual_headers(base_url),
        max_tokens_field=usual_max_tokens_field(base_url),
    )
