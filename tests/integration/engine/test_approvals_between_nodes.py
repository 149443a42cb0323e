"""Approvals that reach two processes on one PostgreSQL at the same moment, and what one node starts for the other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.tool_answers import ToolDecision
from server.domain.errors import StoreUnavailable
from server.domain.ids import ToolCallId
from server.domain.run import RunState
from server.domain.tool import ToolCallState, ToolPolicy
from server.domain.tool_call_errors import ToolCallAlreadyDecided
from tests.contract.store.postgres_server import PostgresServer
from tests.support.house import ANNA, QUICK, House
from tests.support.mcp.actions import execute, reply, wait
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider
from tests.support.tool_talk import calls, open_talk, paused, states, tool_house, waiting

CALM = replace(QUICK, lease=timedelta(seconds=20), lease_heartbeat=timedelta(seconds=1), tool_calls_at_once=32)


@pytest.fixture
def url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> str:
    """An empty database of the test's own."""
    name = request.node.name[-60:]
    postgres_server.create(name)
    return postgres_server.url(name)


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server whose calls stand in one ledger, whichever node makes them."""
    scripted = ScriptedMcp(tmp_path / "mcp")
    scripted.tool("pay", execute(), reply("paid"))
    return scripted


@pytest.fixture
async def nodes(url: str, tmp_path: Path, mcp: ScriptedMcp) -> AsyncIterator[tuple[House, House]]:
    """Two houses on it, each with connections of its own to the tool server."""
    async with AsyncExitStack() as stack:
        houses = []
        for _ in range(2):
            config = mcp.config("bank", max_parallel=32)
            opened = tool_house(tmp_path, ScriptedProvider(default=("Done",)), config, url=url, limits=CALM)
            houses.append(await stack.enter_async_context(opened))
        yield houses[0], houses[1]


async def test_two_nodes_race_for_every_call_and_each_is_made_once(
    nodes: tuple[House, House], mcp: ScriptedMcp
) -> None:
    one, other = nodes
    keys = [f"race {number}" for number in range(5)]
    runs = []
    for key in keys:
        await open_talk(one, key, "bank")
        one.provider.script(calls(*[("bank__pay", {"n": amount}) for amount in range(20)]))
        runs.append(await one.send("Pay", to=key))
        await paused(one, runs[-1])
    pending = [(key, each.call.id) for key in keys for each in await one.approvals.pending(ANNA.owner, key)]
    won, at_once = Counter[ToolCallId](), asyncio.Semaphore(8)

    async def decide(house: House, key: str, call: ToolCallId) -> None:
        while True:
            with suppress(StoreUnavailable):  # a busy machine may take too long; then it is asked again
                with suppress(ToolCallAlreadyDecided):
                    await house.approvals.decide(ANNA, key, [ToolDecision(call, approved=True)])
                    won[call] += 1
                return

    async def race(key: str, call: ToolCallId) -> None:
        async with at_once:
            await asyncio.gather(*(decide(house, key, call) for house in nodes))

    await asyncio.gather(*(race(key, call) for key, call in pending))
    assert won == dict.fromkeys((call for _, call in pending), 1)
    assert len(won) == 100
    for run in runs:
        assert (await other.ended(run)).state is RunState.COMPLETED
        assert set(await states(other, run)) == {ToolCallState.SUCCEEDED}
    made = [call.key for call in mcp.calls()]
    assert len(made) == len(set(made)) == 100


async def test_a_node_ends_what_another_one_executes(url: str, tmp_path: Path, mcp: ScriptedMcp) -> None:
    """Cancelled elsewhere, the call under way is given up at once, and its outcome is unknown."""
    mcp.tool("pay", execute(), wait("bank"), reply("paid"))
    config = mcp.config("bank", policy=ToolPolicy.AUTO)
    provider = ScriptedProvider()
    async with (
        tool_house(tmp_path, provider, config, url=url, limits=CALM) as one,
        tool_house(tmp_path, ScriptedProvider(), config, url=url, limits=CALM) as other,
    ):
        await open_talk(one, "cancelled elsewhere", "bank")
        provider.script(calls(("bank__pay", {})))
        run = await one.send("Pay", to="cancelled elsewhere")
        async with asyncio.timeout(20):
            while not mcp.calls():  # noqa: ASYNC110 - another process writes the ledger
                await asyncio.sleep(0.005)
        await other.runs.cancel(ANNA, run.id)
        await mcp.until_received("notifications/cancelled")
        assert (await one.ended(run)).state is RunState.CANCELLED
        assert await states(one, run) == [ToolCallState.UNKNOWN]


async def test_what_lapses_is_noticed_by_any_node(url: str, tmp_path: Path, mcp: ScriptedMcp) -> None:
    short = replace(CALM, approval_lifetime=timedelta(seconds=2), lease_heartbeat=timedelta(milliseconds=100))
    provider = ScriptedProvider(default=("Done",))
    config = mcp.config("bank")
    async with tool_house(tmp_path, provider, config, url=url, limits=short) as one:
        await open_talk(one, "lapses elsewhere", "bank")
        provider.script(calls(("bank__pay", {})))
        run = await one.send("Pay", to="lapses elsewhere")
        await waiting(one, run)
    async with tool_house(tmp_path, ScriptedProvider(default=("Done",)), config, url=url, limits=short) as other:
        assert (await other.ended(run)).state is RunState.COMPLETED
        assert await states(other, run) == [ToolCallState.EXPIRED]
