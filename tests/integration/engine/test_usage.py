"""What every call of a model costs is accounted with its outcome, once, whatever becomes of its run."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from server.application.runs import SendMessage
from server.application.spending_rules import SpendingRules
from server.domain.conversation import ContextStrategy, InterruptPolicy
from server.domain.events import Event, TextDelta
from server.domain.message import Usage
from server.domain.run import Run, RunOptions, RunState
from server.domain.tokens import TokenEstimator
from server.domain.tool import ToolPolicy
from server.domain.usage import AccountedCall, CallKind, Price, Spent, Total, UsageFilter
from server.ports.provider import ProviderError, UsageReport
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.images import DOT
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, reply
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.summarising_provider import SummarisingProvider
from tests.support.tool_talk import NUMBERS, calls, tool_house
from tests.support.upstream.gate import Gate

PLAIN: Final = TokenEstimator()
RULES: Final = SpendingRules(
    prices={
        ("scripted", "first"): Price(input=2_000_000, output=8_000_000, cached_input=1_000_000),
        ("scripted", "painter"): Price(image=40_000),
    }
)


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[House]:
    async with open_house(tmp_path, provider, rules=RULES) as opened:
        await opened.threads.create(ANNA, name="Talk", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def calls_of(house: House, run: Run) -> list[AccountedCall]:
    """The model calls of a run."""
    return await house.store.read(run.owner, lambda tx: tx.usage.of_run(run.id, offset=0, limit=99))


async def totals(house: House) -> list[Total]:
    """What Anna used, by model."""
    found = await house.store.read(
        ANNA.owner, lambda tx: tx.usage.rows(UsageFilter(), whole_tenant=False, limit=99, after=None)
    )
    return [row.total for row in found]


async def _accounted(tmp_path: Path, provider: ScriptedProvider) -> list[AccountedCall]:
    """What is in the store once the house was left and entered again."""
    async with open_house(tmp_path, provider, rules=RULES) as house:
        run = (await house.runs.page(ANNA.owner, "talk", page_size=9, page_token="")).items[-1]
        return await calls_of(house, run)


async def until_said(house: House, run: Run) -> None:
    """Wait until something of the answer is stored."""
    async for event in house.streams.run(ANNA.owner, run.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            return


async def test_what_the_provider_reports_is_what_it_cost(house: House) -> None:
    house.provider.script("Hello", UsageReport(Usage(10, 5, 15, cached_tokens=4)))
    run = await house.send("hi")
    await house.ended(run)
    (one,) = await calls_of(house, run)
    assert (one.call.kind, one.call.key_id, one.call.model) == (CallKind.ANSWER, "key-anna", "first")
    assert (one.spent, one.cost) == (Spent(10, 5, 4), 6 * 2 + 4 * 1 + 5 * 8)
    assert await totals(house) == [Total(1, 10, 5, 4, 0, 56)]


async def test_what_nobody_reports_is_estimated_and_marked_as_such(house: House) -> None:
    house.provider.script("Some words are said.")
    run = await house.send("hi")
    await house.ended(run)
    (one,) = await calls_of(house, run)
    assert one.spent == Spent(one.call.estimated_input, PLAIN.text("Some words are said."), is_estimated=True)
    assert one.call.estimated_input > 0


@pytest.mark.parametrize("is_reported", [False, True])
async def test_a_stream_that_is_cut_costs_what_came(house: House, *, is_reported: bool) -> None:
    report = [usage(7, 3)] if is_reported else []
    house.provider.script("Half a", *report, ProviderError("PROVIDER_STREAM_CUT", "cut"))
    run = await house.send("hi")
    assert (await house.ended(run)).state is RunState.FAILED
    (one,) = await calls_of(house, run)
    estimate = Spent(one.call.estimated_input, PLAIN.text("Half a"), is_estimated=True)
    assert one.spent == (Spent(7, 3) if is_reported else estimate)


async def test_a_provider_that_refuses_is_paid_nothing(house: House) -> None:
    house.provider.script(ProviderError("PROVIDER_RATE_LIMITED", "later"))
    run = await house.send("hi")
    await house.ended(run)
    (one,) = await calls_of(house, run)
    assert (one.spent, one.cost) == (Spent(is_estimated=True), 0)


async def test_a_run_that_is_interrupted_costs_all_that_its_provider_said(house: House) -> None:
    gate = Gate()
    house.provider.script("stored ", gate, Endless("more "))
    house.provider.script("fine", usage(1, 1))
    run = await house.send("first")
    await until_said(house, run)
    again = await house.runs.send(ANNA, SendMessage("talk", "second", interrupt_policy=InterruptPolicy.INTERRUPT))
    await house.ended(again)
    await house.provider.idle()
    (one,) = await calls_of(house, run)
    assert one.spent.is_estimated
    assert one.spent.output_tokens >= PLAIN.text("stored ")


async def test_a_run_that_is_cancelled_before_it_said_anything_costs_its_question(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    async with open_house(tmp_path, provider, rules=RULES) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        provider.script(Gate(), "never")
        run = await house.send("a question")
        await provider.requested()
        await house.runs.cancel(ANNA, run.id)
    (one,) = await _accounted(tmp_path, provider)
    assert one.spent == Spent(one.call.estimated_input, 0, is_estimated=True)
    check_invariants(tmp_path / "house.db")


async def test_every_attempt_costs_what_it_took(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.script("lost words", Gate())
    async with open_house(tmp_path, provider, rules=RULES) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        run = await house.send("first")
        await until_said(house, run)
    provider.script("found words", usage(9, 2))
    async with open_house(tmp_path, provider, rules=RULES) as house:
        await house.ended(run)
        lost, found = await calls_of(house, run)
        assert lost.spent == Spent(lost.call.estimated_input, PLAIN.text("lost words"), is_estimated=True)
        assert found.spent == Spent(9, 2)
        assert (await totals(house))[0].calls == 2
    check_invariants(tmp_path / "house.db")


async def test_each_round_with_tools_is_a_call_of_its_own(tmp_path: Path, provider: ScriptedProvider) -> None:
    mcp = ScriptedMcp(tmp_path / "mcp")
    mcp.tool("pay", execute(), reply("paid"), schema=NUMBERS)
    async with tool_house(tmp_path, provider, mcp.config("bank", policy=ToolPolicy.AUTO), rules=RULES) as house:
        provider.script("Let me pay.", calls(("bank__pay", {"n": 1})), usage(10, 5))
        provider.script("Paid.", usage(20, 2))
        run = await house.send("Pay 1")
        end = await house.ended(run)
        assert [one.spent for one in await calls_of(house, run)] == [Spent(10, 5), Spent(20, 2)]
        assert end.usage == Usage(30, 7, 37)
    check_invariants(tmp_path / "house.db")


async def test_an_image_costs_what_an_image_costs(house: House) -> None:
    house.provider.script_image(DOT)
    run = await house.send("A lighthouse", options=RunOptions(image=True))
    await house.ended(run)
    (one,) = await calls_of(house, run)
    assert (one.call.kind, one.spent.images, one.cost) == (CallKind.IMAGE, 1, 40_000)


async def test_summaries_are_accounted_to_the_run_or_the_call_that_made_them(tmp_path: Path) -> None:
    provider = SummarisingProvider(default=("I see.", usage(3, 1)))
    async with open_house(tmp_path, provider, rules=RULES) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await house.threads.configure_context(ANNA, "talk", strategy=ContextStrategy.SUMMARIZE, max_history_messages=2)
        for message in ("first", "second"):
            run = await house.send(message)
            await house.ended(run)
        kinds = [one.call.kind for one in await calls_of(house, run)]
        assert sorted(kinds) == [CallKind.ANSWER, CallKind.SUMMARY]
        await house.threads.create(ANNA, name="Other", key="other")
        for message in ("first", "second"):
            await house.ended(await house.send(message, to="other"))
        provider.summary("Short.", usage(50, 4))
        await house.compactions.compact(ANNA, "other")
        of = (await house.threads.get(ANNA.owner, "other")).conversation.id
        (row,) = await house.store.read(ANNA.owner, lambda tx: tx.usage.totals_of_conversation(of))
        assert row.total == Total(3, 56, 6, 0, 0, 56 * 2 + 6 * 8)
    check_invariants(tmp_path / "house.db")


async def test_a_deleted_thread_has_cost_what_it_cost(tmp_path: Path, provider: ScriptedProvider) -> None:
    async with open_house(tmp_path, provider, rules=RULES) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        provider.script("stored", Gate())
        run = await house.send("hi")
        await until_said(house, run)
        await house.threads.delete(ANNA, "talk")
        await provider.idle()
    async with open_house(tmp_path, provider) as house:
        (total,) = await totals(house)
    assert (total.calls, total.estimated_calls) == (1, 1)
    assert total.input_tokens > 0
    check_invariants(tmp_path / "house.db")


async def test_what_is_done_for_another_is_paid_by_the_key_and_shown_to_the_subject(house: House) -> None:
    house.provider.script("Hello", usage(10, 5))
    acting = replace(ANNA, actor="helper")
    run = await house.send("hi", by=acting)
    await house.ended(run)
    (one,) = await calls_of(house, run)
    assert (run.owner.user, one.call.key_id) == ("anna", "key-anna")


async def test_prices_of_today_are_not_those_of_yesterday(tmp_path: Path, provider: ScriptedProvider) -> None:
    costs: list[int] = []
    for price in (1_000_000, 3_000_000):
        rules = SpendingRules(prices={("scripted", "first"): Price(input=price, output=0)})
        async with open_house(tmp_path, provider, rules=rules, limits=QUICK) as house:
            if not costs:
                await house.threads.create(ANNA, name="Talk", key="talk")
            provider.script("Hello", usage(10, 5))
            await house.ended(await house.send("hi"))
            (total,) = await totals(house)
            costs.append(total.cost)
    assert costs == [10, 40]
