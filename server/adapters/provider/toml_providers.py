"""The `[[providers]]` of a configuration file.

default_model = "gpt-4o-mini"            # optional; the first listed model otherwise
default_image_model = "gpt-image-1"      # optional; the first provider's that has one otherwise

[[providers]]
name = "openai"
kind = "openai_compatible"               # the default; or "echo"
base_url = "https://api.openai.com/v1"   # the default
api_key_env = "OPENAI_API_KEY"           # or api_key = "…"; neither for a server that wants none
models = ["gpt-4o-mini", { name = "gpt-4o", context_tokens = 128000 }]
image_model = "gpt-image-1"              # what draws its images; without it the provider draws none
accepts_any_model = false                # the default when `models` is given, else true
accepts = ["image", "application/pdf"]   # files that models take besides text: image, audio, pdf, or media types; a
                                         # model may have its own: { name = "gpt-4o-audio", accepts = ["audio"] }
headers = { X-Team = "support" }
connect_timeout = 10                     # seconds, as the two below
first_token_timeout = 120
between_tokens_timeout = 60
max_tokens_field = "max_tokens"
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from server.adapters.provider.accepted import read_accepted
from server.adapters.provider.echo import DEFAULT_WORD_DELAY
from server.adapters.provider.endpoint import (
    checked_api_key,
    checked_base_url,
    checked_headers,
    usual_headers,
    usual_max_tokens_field,
)
from server.adapters.provider.provider_config import (
    OPENAI_BASE_URL,
    ConfigurationError,
    ProviderConfig,
    ProviderKind,
    Timeouts,
)
from server.adapters.provider.toml_table import TomlTable
from server.domain.attachment import EVERYTHING, TEXT_ALONE, AcceptedTypes
from server.domain.budget import CONTEXT_TOKENS
from server.domain.model import Model

_MAX_TOKENS_FIELDS: Final = ("max_tokens", "max_completion_tokens")


def read_providers(tables: object, env: Mapping[str, str]) -> tuple[ProviderConfig, ...]:
    """The providers of the array `providers`. Raises `ConfigurationError` naming the file's key."""
    if not isinstance(tables, list) or not tables:
        raise ConfigurationError("providers: expected one or more [[providers]] tables")
    providers = tuple(_provider(TomlTable(table, f"providers[{index}]"), env) for index, table in enumerate(tables))
    names = [provider.name for provider in providers]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigurationError(f"providers[{index}].name: {name!r} is taken; names must differ")
    return providers


def _provider(table: TomlTable, env: Mapping[str, str]) -> ProviderConfig:
    name = table.text("name")
    if name is None:
        raise ConfigurationError(f"{table.key('name')}: missing; choose a name for the provider")
    kind = _kind(table)
    provider = _echo(table, name) if kind is ProviderKind.ECHO else _openai_compatible(table, name, env)
    table.reject_others()
    return provider


def _kind(table: TomlTable) -> ProviderKind:
    text = table.text("kind") or ProviderKind.OPENAI_COMPATIBLE
    try:
        return ProviderKind(text)
    except ValueError:
        raise ConfigurationError(f"{table.key('kind')}: expected one of {', '.join(ProviderKind)}") from None


def _echo(table: TomlTable, name: str) -> ProviderConfig:
    accepted = read_accepted(table) or EVERYTHING
    return ProviderConfig(
        name=name,
        kind=ProviderKind.ECHO,
        models=_models(table, name, accepted) or (Model(provider=name, name="echo", accepted=accepted),),
        image_model=_image_model(table, name) or Model(provider=name, name="echo"),
        accepts_any_model=table.flag("accepts_any_model") or False,
        accepted=accepted,
        word_delay=_duration(table, "word_delay", DEFAULT_WORD_DELAY),
    )


def _openai_compatible(table: TomlTable, name: str, env: Mapping[str, str]) -> ProviderConfig:
    base_url = checked_base_url(table.text("base_url") or OPENAI_BASE_URL, table.key("base_url"))
    accepted = read_accepted(table) or TEXT_ALONE
    models = _models(table, name, accepted)
    any_model = table.flag("accepts_any_model")
    if any_model is False and not models:
        raise ConfigurationError(f"{table.key('models')}: missing; list the models or set accepts_any_model = true")
    return ProviderConfig(
        name=name,
        base_url=base_url,
        api_key=_api_key(table, env),
        models=models,
        image_model=_image_model(table, name),
        accepts_any_model=not models if any_model is None else any_model,
        accepted=accepted,
        headers=usual_headers(base_url) | checked_headers(table.texts("headers"), table.key("headers")),
        timeouts=_timeouts(table),
        max_tokens_field=_max_tokens_field(table, base_url),
    )


def _api_key(table: TomlTable, env: Mapping[str, str]) -> str | None:
    variable, written = table.text("api_key_env"), table.text("api_key")
    if variable is not None and written is not None:
        raise ConfigurationError(f"{table.key('api_key')}: give api_key or api_key_env, not both")
    if written is not None:
        return checked_api_key(written, table.key("api_key"))
    if variable is None:
        return None
    if not env.get(variable):
        raise ConfigurationError(f"{table.key('api_key_env')}: the environment variable {variable} is not set; set it")
    return checked_api_key(env[variable], f"{table.key('api_key_env')}: {variable}")


def _models(table: TomlTable, provider: str, accepted: AcceptedTypes) -> tuple[Model, ...]:
    items = table.items("models") or []
    models = [_model(item, f"{table.key('models')}[{index}]", provider, accepted) for index, item in enumerate(items)]
    if len({model.name for model in models}) < len(models):
        raise ConfigurationError(f"{table.key('models')}: a model is listed twice")
    return tuple(models)


def _image_model(table: TomlTable, provider: str) -> Model | None:
    name = table.text("image_model")
    return None if name is None else Model(provider=provider, name=name)


def _model(item: object, key: str, provider: str, accepted: AcceptedTypes) -> Model:
    table = TomlTable({"name": item} if isinstance(item, str) else item, key)
    name = table.text("name")
    if name is None:
        raise ConfigurationError(f"{key}.name: missing; give the model's id as the provider knows it")
    accepted = read_accepted(table) or accepted
    config = table.others()
    tokens = config.get(CONTEXT_TOKENS, 1)
    if type(tokens) is not int or tokens < 1:
        raise ConfigurationError(f"{key}.{CONTEXT_TOKENS}: expected a whole number, at least 1")
    return Model(provider=provider, name=name, config=config, accepted=accepted)


def _timeouts(table: TomlTable) -> Timeouts:
    usual = Timeouts()
    return Timeouts(
        connect=_duration(table, "connect_timeout", usual.connect),
        first_token=_duration(table, "first_token_timeout", usual.first_token),
        between_tokens=_duration(table, "between_tokens_timeout", usual.between_tokens),
    )


def _duration(table: TomlTable, name: str, usual: timedelta) -> timedelta:
    seconds = table.seconds(name)
    return usual if seconds is None else timedelta(seconds=seconds)


def _max_tokens_field(table: TomlTable, base_url: str) -> str:
    text = table.text("max_tokens_field") or usual_max_tokens_field(base_url)
    if text not in _MAX_TOKENS_FIELDS:
        raise ConfigurationError(f"{table.key('max_tokens_field')}: expected one of {', '.join(_MAX_TOKENS_FIELDS)}")
    return text
