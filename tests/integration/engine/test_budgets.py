"""Budgets: held against before every call of a model, by whoever calls at once, and said of plainly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from server.application.prompts import Prompt
from server.application.runs import SendMessage
from server.application.spending_rules import SpendingRules
from server.domain.conversation import ContextStrategy
from server.domain.errors import ConversationNotFound
from server.domain.generation import GenerationConfig
from server.domain.ids import KeyId
from server.domain.run import RunOptions, RunState
from server.domain.spending import Allowance, Budget, Budgets, Payer, Period, Unit, Whose
from server.domain.spending_errors import BudgetExceeded, ModelUnpriced
from server.domain.title import DEFAULT_TITLE
from server.domain.tool import ToolCallState, ToolPolicy
from server.domain.usage import CallKind, Price, Spent, UsageFilter
from tests.support.house import ANNA, BERT, House, open_house
from tests.support.images import DOT
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.summarising_provider import SummarisingProvider
from tests.support.titling_provider import TitlingProvider
from tests.support.tool_talk import NUMBERS, calls, history, ledger, results, tool_house
from tests.support.upstream.gate import Gate

PRICES: Final = {("scripted", "first"): Price(input=1_000_000, output=1_000_000)}
SHORT: Final = GenerationConfig(max_tokens=50)
SMALL: Final = Budget(tokens_per_day=100)


def rules(**budgets: Budget) -> SpendingRules:
    """Prices, and budgets as they are named in `Budgets`."""
    return SpendingRules(prices=PRICES, budgets=Budgets(**budgets))  # type: ignore[arg-type]  # no test gives tenants


@asynccontextmanager
async def bounded(folder: Path, provider: ScriptedProvider, **budgets: Budget) -> AsyncIterator[House]:
    """A house with budgets, and Anna's thread `talk`; afterwards the invariants must hold."""
    async with open_house(folder, provider, rules=rules(**budgets)) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        yield house
    check_invariants(folder / "house.db", settled=False)


async def spent(house: House) -> int:
    """Tokens that Anna's tenant used today."""
    found = await house.store.read(
        ANNA.owner, lambda tx: tx.usage.rows(UsageFilter(), whole_tenant=True, limit=99, after=None)
    )
    return sum(row.total.input_tokens + row.total.output_tokens for row in found)


async def standing(house: House) -> list[Allowance]:
    """The budgets of Anna's key."""
    now = house.meter.clock.now()
    return await house.store.read(ANNA.owner, lambda tx: house.meter.rules.allowances(tx, ANNA.payer, now=now))


@pytest.mark.parametrize("whose", ["every_key", "every_tenant"])
async def test_a_message_beyond_the_budget_is_refused_and_not_stored(
    tmp_path: Path, provider: ScriptedProvider, whose: str
) -> None:
    provider.script("Hello", usage(60, 40))
    async with bounded(tmp_path, provider, **{whose: SMALL}) as house:
        await house.ended(await house.send("first"))
        with pytest.raises(BudgetExceeded) as refused:
            await house.send("second")
        assert [text for _, text, _ in await house.said()] == ["first", "Hello"]
        (state,) = await standing(house)
    assert (state.used, state.reserved, state.left) == (100, 0, 0)
    metadata = refused.value.metadata
    name = "KEY" if whose == "every_key" else "TENANT"
    assert metadata["budget"] == f"{name}/TOKENS/DAY"
    assert (metadata["limit"], metadata["left"]) == ("100", "0")
    assert datetime.fromisoformat(metadata["resets_at"]) == state.resets_at
    assert timedelta(0) < refused.value.retry_after <= timedelta(days=1)


async def test_a_first_message_beyond_the_budget_makes_no_conversation(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    async with open_house(tmp_path, provider, rules=rules(every_tenant=Budget(tokens_per_day=0))) as house:
        with pytest.raises(BudgetExceeded):
            await house.prompts.send(ANNA, Prompt("Hello"))
        with pytest.raises(ConversationNotFound):
            await house.threads.get(ANNA.owner, "talk")
        assert (await house.threads.page(ANNA.owner, page_size=9, page_token="", include_archived=True)).items == []


async def test_what_is_left_of_it_is_enough_to_begin(tmp_path: Path, provider: ScriptedProvider) -> None:
    """A budget is exceeded by one call at most."""
    provider.script("Hello", usage(60, 39))
    provider.script("More", usage(60, 39))
    async with bounded(tmp_path, provider, every_key=SMALL) as house:
        for message in ("first", "second"):
            assert (await house.ended(await house.send(message))).state is RunState.COMPLETED
        with pytest.raises(BudgetExceeded):
            await house.send("third")
        assert await spent(house) == 198


async def test_calls_at_once_do_not_take_the_same_rest(tmp_path: Path, provider: ScriptedProvider) -> None:
    """Of many that see the same rest one is made; the others end without a call, and nobody was asked for them."""
    gate = Gate()
    for _ in range(8):
        provider.script(gate, "Hello", usage(5, 5))
    async with bounded(tmp_path, provider, every_tenant=Budget(tokens_per_day=20)) as house:
        for number in range(8):
            await house.threads.create(ANNA, name="", key=f"t{number}")
        sent = await asyncio.gather(
            *(house.runs.send(ANNA, SendMessage(f"t{number}", "Hi", generation=SHORT)) for number in range(8)),
            return_exceptions=True,
        )
        runs = [each for each in sent if not isinstance(each, BaseException)]
        assert all(isinstance(each, BudgetExceeded) for each in sent if isinstance(each, BaseException))
        await provider.requested()
        gate.open()
        ends = await asyncio.gather(*map(house.ended, runs))
        assert sorted({end.reason for end in ends if end.reason}) in ([], ["BUDGET_EXCEEDED"])
        completed = [end for end in ends if end.state is RunState.COMPLETED]
        # Each that was made began with something left; what it did not need in the end is there for the next.
        assert 1 <= len(completed) == len(provider.requests) <= 2
        assert await spent(house) == 10 * len(completed)
        assert (await standing(house))[0].reserved == 0


async def test_a_run_under_way_ends_behind_what_it_has_stored(tmp_path: Path, provider: ScriptedProvider) -> None:
    mcp = ScriptedMcp(tmp_path / "mcp")
    mcp.tool("pay", execute(), reply("paid"), schema=NUMBERS)
    config = mcp.config("bank", policy=ToolPolicy.AUTO)
    async with tool_house(tmp_path, provider, config, rules=rules(every_key=SMALL)) as house:
        provider.script("Let me pay.", calls(("bank__pay", {"n": 1})), usage(60, 40))
        run = await house.send("Pay 1")
        end = await house.ended(run)
        assert (end.state, end.reason) == (RunState.FAILED, "BUDGET_EXCEEDED")
        assert len(provider.requests) == 1
        assert [call.state for call in await ledger(house, run)] == [ToolCallState.SUCCEEDED]
        assert await results(house) == ["paid"]
        assert [message.role.value for message in await history(house)] == ["user", "assistant", "tool"]
        assert (await house.runs.get(ANNA.owner, run.id)).error is not None
    check_invariants(tmp_path / "house.db")


async def test_titles_beyond_the_budget_are_left_out_quietly(tmp_path: Path) -> None:
    provider = TitlingProvider(default=("Hello", usage(60, 40)))
    gate = Gate()
    provider.script(gate, "Hello", usage(60, 40))
    async with open_house(tmp_path, provider, rules=rules(every_key=Budget(tokens_per_day=1))) as house:
        sent = await house.prompts.send(ANNA, Prompt("How do I feed a parrot?"))
        gate.open()
        assert await house.prompts.answer(ANNA.owner, sent) == "Hello"
        found = await house.chats.messages(ANNA.owner, sent.run.conversation_id, offset=0, limit=1)
        used = await house.store.read(ANNA.owner, lambda tx: tx.usage.of_run(sent.run.id, offset=0, limit=9))
    kinds = [one.call.kind for one in used]
    # Whoever came first took the one token that is left; the other did without.
    assert len(kinds) == 1
    assert (found.chat.name == DEFAULT_TITLE) is (kinds == [CallKind.ANSWER])
    check_invariants(tmp_path / "house.db")


async def test_a_compaction_beyond_the_budget_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    provider = SummarisingProvider(default=("I see.", usage(40, 10)))
    async with bounded(tmp_path, provider, every_key=Budget(tokens_per_day=100)) as house:
        for message in ("first", "second"):
            await house.ended(await house.send(message))
        with pytest.raises(BudgetExceeded):
            await house.compactions.compact(ANNA, "talk")
        assert provider.asked_to_summarise == []


async def test_an_automatic_summary_that_takes_the_rest_ends_the_run(tmp_path: Path) -> None:
    provider = SummarisingProvider(default=("I see.", usage(10, 5)))
    async with bounded(tmp_path, provider, every_key=Budget(tokens_per_day=40)) as house:
        await house.threads.configure_context(ANNA, "talk", strategy=ContextStrategy.SUMMARIZE, max_history_messages=2)
        await house.ended(await house.send("first"))
        provider.summary("Short.", usage(20, 10))
        end = await house.ended(await house.send("second"))
        assert (end.state, end.reason) == (RunState.FAILED, "BUDGET_EXCEEDED")
        assert await spent(house) == 45


async def test_images_are_bounded_by_what_they_cost(tmp_path: Path, provider: ScriptedProvider) -> None:
    prices = {**PRICES, ("scripted", "painter"): Price(image=40_000)}
    bound = SpendingRules(prices=prices, budgets=Budgets(every_tenant=Budget(cost_per_month=40_000)))
    provider.script_image(DOT)
    async with open_house(tmp_path, provider, rules=bound) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await house.ended(await house.send("A lighthouse", options=RunOptions(image=True)))
        with pytest.raises(BudgetExceeded) as refused:
            await house.send("Another", options=RunOptions(image=True))
        assert refused.value.metadata["budget"] == "TENANT/COST/MONTH"
        assert refused.value.metadata["limit"] == "0.04"


async def test_a_budget_in_money_takes_no_model_whose_price_nobody_knows(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    async with bounded(tmp_path, provider, every_tenant=Budget(cost_per_day=10)) as house:
        with pytest.raises(ModelUnpriced):
            await house.runs.send(ANNA, SendMessage("talk", "hi", generation=GenerationConfig(model="second")))


async def test_a_keys_own_budget_bounds_it_and_nobody_else(tmp_path: Path, provider: ScriptedProvider) -> None:
    key = KeyId("small")
    mine = replace(ANNA, payer=Payer(key, key, SMALL))
    provider.script("Hello", usage(60, 40))
    provider.script("Hello", usage(60, 40))
    async with bounded(tmp_path, provider) as house:
        await house.ended(await house.send("first", by=mine))
        with pytest.raises(BudgetExceeded):
            await house.send("second", by=mine)
        assert (await house.ended(await house.send("second"))).state is RunState.COMPLETED


async def test_keys_that_follow_each_other_have_one_budget(tmp_path: Path, provider: ScriptedProvider) -> None:
    first = replace(ANNA, payer=Payer(KeyId("a"), KeyId("a"), SMALL))
    rotated = replace(ANNA, payer=Payer(KeyId("b"), KeyId("a"), SMALL))
    provider.script("Hello", usage(60, 40))
    async with bounded(tmp_path, provider) as house:
        await house.ended(await house.send("first", by=first))
        with pytest.raises(BudgetExceeded):
            await house.send("second", by=rotated)


async def test_a_repeated_send_is_answered_as_before_whatever_is_left(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    provider.script("Hello", usage(60, 40))
    async with bounded(tmp_path, provider, every_key=SMALL) as house:
        run = await house.send("first", request_id="r1")
        await house.ended(run)
        assert (await house.send("first", request_id="r1")).id == run.id


async def test_what_a_dead_worker_had_reserved_is_free_once_its_run_is_taken_up(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    budget = Budget(tokens_per_day=3000)
    provider.script(Gate(), "never")
    async with bounded(tmp_path, provider, every_key=budget) as house:
        run = await house.send("first")
        await provider.requested()
        (state,) = await standing(house)
        assert state.reserved > 3000
        assert state.is_used_up
    provider.script("Hello", usage(60, 40))
    async with open_house(tmp_path, provider, rules=rules(every_key=budget)) as house:
        assert (await house.ended(run)).state is RunState.COMPLETED
        lost, found = await house.store.read(ANNA.owner, lambda tx: tx.usage.of_run(run.id, offset=0, limit=9))
        assert (lost.spent, found.spent) == (
            Spent(lost.call.estimated_input, 0, is_estimated=True),
            Spent(60, 40),
        )
        (state,) = await standing(house)
        assert (state.reserved, state.used) == (0, 100 + lost.call.estimated_input)
    check_invariants(tmp_path / "house.db")


async def test_budgets_of_another_tenant_or_user_bound_nobody_here(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.script("Hello", usage(60, 40))
    provider.script("Hello", usage(60, 40))
    own = SpendingRules(prices=PRICES, budgets=Budgets(tenants={"rival": Budget(tokens_per_day=0)}))
    async with open_house(tmp_path, provider, rules=own) as house:
        await house.threads.create(BERT, name="Talk", key="talk")
        assert (await house.ended(await house.send("hi", by=BERT))).state is RunState.COMPLETED


def test_periods_end_with_the_day_and_the_month() -> None:
    late = datetime.fromisoformat("2026-12-31T23:59:59+00:00")
    assert Period.DAY.end(late) == Period.MONTH.end(late) == datetime.fromisoformat("2027-01-01T00:00:00+00:00")
    assert Period.MONTH.end(datetime.fromisoformat("2024-02-01T00:00:00+00:00")).isoformat().startswith("2024-03-01")


def test_a_budget_is_as_narrow_as_its_narrowest_part() -> None:
    late = datetime.fromisoformat("2026-12-31T23:59:59+00:00")
    both = Budget(10, None, 5, None).narrowed(Budget(7, 3, None, None))
    assert both == Budget(7, 3, 5, None)
    assert Budget(11).goes_beyond(Budget(10))
    assert not Budget(None, 4).goes_beyond(Budget(10))
    assert Allowance(Whose.KEY, Period.DAY, Unit.TOKENS, 5, 9, 0, Period.DAY.end(late)).left == 0
