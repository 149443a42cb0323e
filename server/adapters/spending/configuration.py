"""The `[prices]` and `[budgets]` of a configuration file. Amounts are decimal numbers or texts, taken exactly.

[prices.openai."gpt-4o-mini"]   # provider, then model
input = "0.15"                  # for a million tokens
output = "0.60"
cached_input = "0.075"          # as `input`, unless it is there
image = "0.04"                  # for one image
[prices.openai."text-embedding-3-small"]
input = "0.02"                  # all that is to be said of the model of [memory]

[budgets.key]                   # what every key may spend
tokens_per_day = 1000000
[budgets.tenant]                # what every tenant may spend ...
cost_per_month = "50"
[budgets.tenants.acme]          # ... but for this one
tokens_per_month = 10000000
cost_per_day = 5.50
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from server.adapters.provider.provider_config import (
    ConfigurationError,
    ProviderConfig,
    ProviderKind,
    ProvidersConfig,
)
from server.domain.memory import EmbeddingModel
from server.domain.model import Model
from server.domain.money import money_amount
from server.domain.spending import UNBOUNDED, Budget, Budgets
from server.domain.usage import Price

_PRICES: Final = "prices"
_BUDGETS: Final = "budgets"
_AMOUNTS: Final = ("input", "output", "cached_input", "image")
_TOKENS: Final = ("tokens_per_day", "tokens_per_month")
_COSTS: Final = ("cost_per_day", "cost_per_month")
MOST_TOKENS: Final = 10**15


@dataclass(frozen=True, slots=True)
class SpendingConfig:
    """What models cost, by provider and model, and what may be spent."""

    prices: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    free: frozenset[str] = frozenset()
    """Providers behind which there is no model."""
    budgets: Budgets = field(default_factory=Budgets)


def load_spending(
    toml: Mapping[str, Any] | None, providers: ProvidersConfig, embedding: EmbeddingModel | None = None
) -> SpendingConfig:
    """Read both tables of a file that was parsed with decimals; `embedding` is the model of its `[memory]`.

    With a budget in money every model that the file names must have a price: what is passed through without one is
    refused as it is asked for. Raises `ConfigurationError`.
    """
    table = toml or {}
    free = frozenset(one.name for one in providers.providers if one.kind is ProviderKind.ECHO)
    config = SpendingConfig(
        _prices(table.get(_PRICES, {}), providers, embedding), free, _budgets(table.get(_BUDGETS, {}))
    )
    if config.budgets.has_costs:
        _check_priced(config, providers, embedding)
    return config


def _prices(
    value: object, providers: ProvidersConfig, embedding: EmbeddingModel | None
) -> dict[tuple[str, str], Price]:
    known = {one.name: one for one in providers.providers}
    found: dict[tuple[str, str], Price] = {}
    for provider, models in _table(value, _PRICES).items():
        if provider not in known:
            raise ConfigurationError(f"{_PRICES}.{provider}: no provider of that name is configured")
        for model, price in _table(models, f"{_PRICES}.{provider}").items():
            key = f'{_PRICES}.{provider}."{model}"'
            embeds = embedding == EmbeddingModel(provider, model)
            if not embeds and not _offers(known[provider], model):
                raise ConfigurationError(f"{key}: the provider does not offer that model")
            found[provider, model] = _price(price, key, embeds=embeds)
    return found


def _price(value: object, key: str, *, embeds: bool) -> Price:
    table = _table(value, key, _AMOUNTS)
    price = Price(**{name: _money(table[name], f"{key}.{name}") for name in table})
    if embeds and price.output is None:
        # Such a model says nothing.
        price = replace(price, output=0)
    if (price.input is None) != (price.output is None) or (price.input is None and price.image is None):
        raise ConfigurationError(f"{key}: give input and output, or image, or all three")
    if price.cached_input is not None and price.input is None:
        raise ConfigurationError(f"{key}.cached_input: needs input and output beside it")
    return price


def _budgets(value: object) -> Budgets:
    table = _table(value, _BUDGETS, ("key", "tenant", "tenants"))
    tenants = _table(table.get("tenants", {}), f"{_BUDGETS}.tenants")
    return Budgets(
        every_key=_budget(table["key"], f"{_BUDGETS}.key") if "key" in table else UNBOUNDED,
        every_tenant=_budget(table["tenant"], f"{_BUDGETS}.tenant") if "tenant" in table else UNBOUNDED,
        tenants={name: _budget(one, f"{_BUDGETS}.tenants.{name}") for name, one in tenants.items()},
    )


def _budget(value: object, key: str) -> Budget:
    table = _table(value, key, (*_TOKENS, *_COSTS))
    tokens = {name: _whole(table[name], f"{key}.{name}") for name in _TOKENS if name in table}
    return Budget(**tokens, **{name: _money(table[name], f"{key}.{name}") for name in _COSTS if name in table})


def _check_priced(config: SpendingConfig, providers: ProvidersConfig, embedding: EmbeddingModel | None) -> None:
    used: list[EmbeddingModel | Model] = [embedding] if embedding else []
    for provider in providers.providers:
        if provider.name not in config.free:
            used += _listed(provider)
    for model in used:
        if (model.provider, model.name) not in config.prices:
            key = f'{_PRICES}.{model.provider}."{model.name}"'
            raise ConfigurationError(f"{key}: missing; a budget in money needs the price of every model")


def _offers(provider: ProviderConfig, model: str) -> bool:
    return model in {one.name for one in _listed(provider)} or provider.accepts_any_model


def _listed(provider: ProviderConfig) -> list[Model]:
    return [*provider.models, *([provider.image_model] if provider.image_model else [])]


def _table(value: object, key: str, names: tuple[str, ...] | None = None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{key}: expected a table")
    for name in value:
        if names is not None and name not in names:
            raise ConfigurationError(f"{key}.{name}: nobody reads it; there are {', '.join(names)}")
    return value


def _money(value: object, key: str) -> int:
    is_number = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    amount = money_amount(value) if isinstance(value, str | int | Decimal) and is_number else None
    if amount is None:
        raise ConfigurationError(f"{key}: expected an amount such as 0.15, of at most six decimals")
    return amount


def _whole(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        raise ConfigurationError(f"{key}: expected a whole number of tokens")
    return value
