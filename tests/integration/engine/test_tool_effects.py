"""A tool takes effect at most once, whatever happens to the process, the run or the server while it is called."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.domain.conversation import InterruptPolicy
from server.domain.errors import StoreUnavailable
from server.domain.events import ToolCallEnded, ToolCallStarted
from server.domain.run import Run, RunState
from server.domain.tool import ToolCallState, ToolPolicy
from tests.integration.engine.hooked_store import HookedStore
from tests.support.house import ANNA, QUICK, House
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, hang, reply, wait
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.tool_talk import calls, results, states, told, tool_house


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server whose tool takes effect at once and answers when it is let."""
    server = ScriptedMcp(tmp_path / "mcp")
    server.tool("pay", execute(), wait("bank"), reply("paid"))
    return server


async def executed(mcp: ScriptedMcp, times: int = 1) -> None:
    """Wait until so many calls have taken effect."""
    async with asyncio.timeout(20):
        while len(mcp.calls()) < times:  # noqa: ASYNC110 - another process writes the ledger
            await asyncio.sleep(0.005)


async def paying(house: House, mcp: ScriptedMcp) -> Run:
    """A run whose tool has taken effect and not answered."""
    house.provider.script(calls(("bank__pay", {"n": 1})))
    house.provider.script("Done.")
    run = await house.send("Pay")
    await executed(mcp)
    return run


@pytest.mark.parametrize("repeatable", [False, True])
async def test_a_process_that_stops_before_the_result_is_stored(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, repeatable: bool
) -> None:
    """The next one says that the outcome is unknown, or makes the call again under the same key, as the operator
    says."""
    config = mcp.config("bank", policy=ToolPolicy.AUTO, repeatable=repeatable)
    async with tool_house(tmp_path, provider, config) as house:
        run = await paying(house, mcp)
    check_invariants(tmp_path / "house.db", settled=False)
    mcp.open("bank")
    async with tool_house(tmp_path, provider, config) as house:
        assert (await house.ended(run)).state is RunState.COMPLETED
        (text,) = await results(house)
        if repeatable:
            assert text == "paid"
            assert await states(house, run) == [ToolCallState.SUCCEEDED]
        else:
            assert "unknown" in text
            assert await states(house, run) == [ToolCallState.UNKNOWN]
        assert len(await told(house, run, ToolCallStarted)) == 1 + repeatable
    keys = [call.key for call in mcp.calls()]
    assert len(keys) == 1 + repeatable
    assert len(set(keys)) == 1
    check_invariants(tmp_path / "house.db")


async def test_a_call_that_ends_within_the_grace_of_a_stop_has_its_result(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    config = mcp.config("bank", policy=ToolPolicy.AUTO)
    async with tool_house(tmp_path, provider, config) as house:
        run = await paying(house, mcp)
        draining = asyncio.create_task(house.engine.drain(timedelta(seconds=20)))
        await asyncio.sleep(0)
        mcp.open("bank")
        await draining
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert await results(house) == ["paid"]
    check_invariants(tmp_path / "house.db")


@pytest.mark.parametrize("end", ["interrupt", "cancel"])
async def test_ending_a_run_while_its_tool_is_called(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp, end: str
) -> None:
    """The server is told that nobody waits, the model that the outcome is unknown; what it answers then is nobody's."""
    async with tool_house(tmp_path, provider, mcp.config("bank", policy=ToolPolicy.AUTO)) as house:
        run = await paying(house, mcp)
        if end == "cancel":
            await house.runs.cancel(ANNA, run.id)
            await mcp.until_received("notifications/cancelled")
        else:
            stop = SendMessage("talk", "Stop", interrupt_policy=InterruptPolicy.INTERRUPT)
            follower = await house.runs.send(ANNA, stop)
            await mcp.until_received("notifications/cancelled")
            assert (await house.ended(follower)).state is RunState.COMPLETED
        mcp.open("bank")
        assert (await house.ended(run)).state is (RunState.CANCELLED if end == "cancel" else RunState.INTERRUPTED)
        assert await states(house, run) == [ToolCallState.UNKNOWN]
        (text,) = await results(house)
        assert "what became of it is unknown" in text
        (over,) = await told(house, run, ToolCallEnded)
        assert (over.state, over.duration) == (ToolCallState.UNKNOWN, None)
    check_invariants(tmp_path / "house.db")


async def test_a_run_that_takes_too_long_over_a_tool_fails_and_the_outcome_is_unknown(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    limits = replace(QUICK, run_duration=timedelta(seconds=1))
    mcp.tool("pay", execute(), hang())
    config = mcp.config("bank", policy=ToolPolicy.AUTO)
    async with tool_house(tmp_path, provider, config, limits=limits) as house:
        await house.servers.tools("acme", "bank")  # so that starting it is no part of the run
        run = await paying(house, mcp)
        ended = await house.ended(run)
        assert (ended.state, ended.reason) == (RunState.FAILED, "RUN_TIMEOUT")
        assert await states(house, run) == [ToolCallState.UNKNOWN]
    check_invariants(tmp_path / "house.db")


async def test_a_thread_is_deleted_while_its_tool_is_called(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    async with tool_house(tmp_path, provider, mcp.config("bank", policy=ToolPolicy.AUTO)) as house:
        await paying(house, mcp)
        await house.threads.delete(ANNA, "talk")
        await mcp.until_received("notifications/cancelled")
    check_invariants(tmp_path / "house.db")


async def test_a_tool_that_does_not_answer_in_time_has_an_unknown_outcome(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    mcp.tool("pay", execute(), hang())
    config = mcp.config("bank", policy=ToolPolicy.AUTO, call_timeout=timedelta(milliseconds=300))
    async with tool_house(tmp_path, provider, config) as house:
        run = await paying(house, mcp)
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert await states(house, run) == [ToolCallState.UNKNOWN]
    assert len(mcp.calls()) == 1
    check_invariants(tmp_path / "house.db")


async def test_a_result_that_the_store_does_not_take_at_once_is_not_lost(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    failing: list[StoreUnavailable] = []

    async def falter() -> None:
        if failing:
            raise failing.pop()

    async with tool_house(
        tmp_path,
        provider,
        mcp.config("bank", policy=ToolPolicy.AUTO),
        wrap=lambda store: HookedStore(store, before=falter),
    ) as house:
        run = await paying(house, mcp)
        failing += [StoreUnavailable(), StoreUnavailable()]
        mcp.open("bank")
        assert (await house.ended(run)).state is RunState.COMPLETED
        assert failing == []
        assert await results(house) == ["paid"]
        assert (await house.runs.get(ANNA.owner, run.id)).epoch == 1
    check_invariants(tmp_path / "house.db")


class Stops:
    """A hook that stops the store at its nth write, before it or after its commit."""

    def __init__(self) -> None:
        self.writes = 0
        self.at: int | None = None

    async def __call__(self) -> None:
        self.writes += 1
        if self.at is not None and self.writes >= self.at:
            raise StoreUnavailable


@pytest.fixture(params=["before", "after"])
def moment(request: pytest.FixtureRequest) -> str:
    """Whether the store fails before a write, or after its commit."""
    return str(request.param)


@pytest.mark.parametrize("at", range(2, 9))
async def test_wherever_the_store_fails_a_call_is_made_at_most_once_and_the_run_ends(
    tmp_path: Path, mcp: ScriptedMcp, moment: str, at: int
) -> None:
    """Every write of a run with one call, one after the other."""
    mcp.open("bank")
    stops, stores = Stops(), []

    def wrap(store):  # type: ignore[no-untyped-def]  # the house's own signature
        stores.append(HookedStore(store, **{moment: stops}))
        return stores[0]

    provider = ScriptedProvider(default=("Done.",))
    config = mcp.config("bank", policy=ToolPolicy.AUTO)
    async with tool_house(tmp_path, provider, config, wrap=wrap) as house:
        provider.script(calls(("bank__pay", {"n": 1})))
        stops.writes, stops.at = 0, at
        with suppress(StoreUnavailable):
            await house.send("Pay")
        async with asyncio.timeout(20):
            while house.engine._executions:  # noqa: ASYNC110
                await asyncio.sleep(0)
        stores[0].gone = True
    check_invariants(tmp_path / "house.db", settled=False)
    async with tool_house(tmp_path, provider, config) as house:
        for run in (await house.runs.page(ANNA.owner, "talk", page_size=0, page_token="")).items:
            assert (await house.ended(run)).state is RunState.COMPLETED
            assert set(await states(house, run)) <= {ToolCallState.SUCCEEDED, ToolCallState.UNKNOWN}
    assert len(mcp.calls()) <= 1
    check_invariants(tmp_path / "house.db")
