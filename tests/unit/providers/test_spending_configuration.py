"""Prices and budgets of the configuration file: exact, or refused by one sentence that names the key."""

import tomllib
from decimal import Decimal

import pytest

from server.adapters.provider.configuration import ConfigurationError, load_providers
from server.adapters.spending.configuration import SpendingConfig, load_spending
from server.domain.memory import EmbeddingModel
from server.domain.money import money_amount, money_text
from server.domain.spending import Budget, Budgets
from server.domain.usage import CallKind, Price, Spent

PROVIDERS = """
[[providers]]
name = "open"
models = ["small"]
image_model = "painter"
[[providers]]
name = "any"
[[providers]]
name = "offline"
kind = "echo"
"""


def load(text: str, embedding: EmbeddingModel | None = None) -> SpendingConfig:
    """What a file says beside its providers."""
    whole = PROVIDERS + text
    providers = load_providers(toml=tomllib.loads(whole), env={})
    return load_spending(tomllib.loads(whole, parse_float=Decimal), providers, embedding)


EMBEDS = EmbeddingModel("open", "vectors")
OTHERS = (
    "[prices.open.small]\ninput = 1\noutput = 1\n[prices.open.painter]\nimage = 1\n[budgets.key]\ncost_per_day = 1\n"
)


def test_an_embedding_model_has_a_price_of_its_input() -> None:
    config = load("[prices.open.vectors]\ninput = 0.02", EMBEDS)
    assert config.prices == {("open", "vectors"): Price(input=20_000, output=0)}
    with pytest.raises(ConfigurationError, match=r'prices.open."vectors": the provider does not offer'):
        load("[prices.open.vectors]\ninput = 0.02")


def test_with_a_budget_in_money_the_embedding_model_has_a_price_too() -> None:
    assert load(OTHERS).budgets.has_costs
    with pytest.raises(ConfigurationError, match=r'prices.open."vectors": missing'):
        load(OTHERS, EMBEDS)
    assert load("[prices.open.vectors]\ninput = 1\n" + OTHERS, EMBEDS).budgets.has_costs


@pytest.mark.parametrize("input_price", ["0.1", '"0.1"', '"0.100000"'])
def test_prices_are_taken_exactly_as_numbers_and_as_texts(input_price: str) -> None:
    config = load(f'[prices.open.small]\ninput = {input_price}\noutput = 3\ncached_input = "0.000001"')
    assert config.prices == {("open", "small"): Price(input=100_000, output=3_000_000, cached_input=1)}
    assert config.free == {"offline"}


def test_budgets_are_those_of_keys_of_tenants_and_of_single_tenants() -> None:
    config = load(
        "[budgets.key]\ntokens_per_day = 5\n[budgets.tenant]\ntokens_per_month = 9\n"
        "[budgets.tenants.acme]\ntokens_per_day = 0"
    )
    assert config.budgets == Budgets(Budget(5), Budget(tokens_per_month=9), {"acme": Budget(0)})
    assert (config.budgets.of_tenant("acme"), config.budgets.of_tenant("other")) == (Budget(0), Budget(None, 9))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[prices.nobody.m]\ninput = 1\noutput = 1", "prices.nobody:"),
        ("[prices.open.large]\ninput = 1\noutput = 1", 'prices.open."large":'),
        ("[prices.open.small]\ninput = 1", 'prices.open."small":'),
        ("[prices.open.small]\nimage = 1\ncached_input = 1", "cached_input:"),
        ("[prices.open.small]\ninput = -1\noutput = 1", "input:"),
        ("[prices.open.small]\ninput = true\noutput = 1", "input:"),
        ('[prices.open.small]\ninput = "0.0000001"\noutput = 1', "input:"),
        ('[prices.open.small]\ninput = "cheap"\noutput = 1', "input:"),
        ("[prices.open.small]\ninput = nan\noutput = 1", "input:"),
        ("[prices.open.small]\ninputs = 1", "inputs:"),
        ("[budgets.key]\ntokens_per_day = 1.5", "budgets.key.tokens_per_day:"),
        ("[budgets.key]\ntokens_per_year = 1", "budgets.key.tokens_per_year:"),
        ("[budgets.keys]\ntokens_per_day = 1", "budgets.keys:"),
        ("[budgets.tenant]\ncost_per_day = 1", 'prices.open."small": missing'),
        (
            "[budgets.tenant]\ncost_per_day = 1\n[prices.open.small]\ninput = 1\noutput = 1",
            'prices.open."painter": missing',
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(text)
    assert key in str(refused.value)


def test_a_call_is_rounded_up_once() -> None:
    price = Price(input=150_000, output=600_000, cached_input=75_000)
    assert price.cost(CallKind.ANSWER, Spent(1, 0)) == 1
    assert price.cost(CallKind.ANSWER, Spent(1_000_000, 1_000_000, 400_000)) == 90_000 + 30_000 + 600_000
    assert price.cost(CallKind.IMAGE, Spent(images=1)) is None
    assert Price(image=40_000).cost(CallKind.IMAGE, Spent(images=2)) == 80_000
    assert Price(image=40_000).cost(CallKind.ANSWER, Spent(1, 1)) is None


@pytest.mark.parametrize(("amount", "text"), [(0, "0"), (1, "0.000001"), (150_000, "0.15"), (20_000_000, "20")])
def test_amounts_go_to_text_and_back(amount: int, text: str) -> None:
    assert money_text(amount) == text
    assert money_amount(text) == amount
