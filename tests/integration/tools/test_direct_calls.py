"""Tools that people call with a mark: made at most once, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.direct_calls import CallTool
from server.domain.errors import RequestIdReused
from server.domain.principal import Principal, RequestKey
from server.domain.tool import ToolCallState
from server.domain.tool_errors import ToolCallUnsettled, ToolServerNotReady, UnknownTool
from tests.support.house import ANNA, BERT, House, open_house
from tests.support.mcp.actions import execute, hang, leave, reply, wait
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider

PAY = CallTool("scripted", "pay", {"cents": 100})


def marked(mark: str = "m1", *, by: Principal = ANNA, fingerprint: str = "f") -> Principal:
    return replace(by, request_key=RequestKey(mark, fingerprint))


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server without tools."""
    return ScriptedMcp(tmp_path / "mcp")


@asynccontextmanager
async def opened(folder: Path, mcp: ScriptedMcp, **config: object) -> AsyncIterator[House]:
    async with open_house(folder, ScriptedProvider(), tools=[mcp.config(**config)]) as house:  # type: ignore[arg-type]
        yield house


async def test_a_marked_call_is_made_once_and_answered_alike_after_a_restart(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay")
    async with opened(tmp_path, mcp) as house:
        first = await house.direct_calls.call(marked(), PAY)
        assert (first.state, first.result) == (ToolCallState.SUCCEEDED, "done")
        assert await house.direct_calls.call(marked(), PAY) == first
    async with opened(tmp_path, mcp) as house:
        assert await house.direct_calls.call(marked(), PAY) == first
    assert len(mcp.calls()) == 1


async def test_calls_under_one_mark_at_the_same_time_are_one(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), wait("bank"), reply())
    async with opened(tmp_path, mcp) as house:
        calls = [asyncio.create_task(house.direct_calls.call(marked(), PAY)) for _ in range(3)]
        await mcp.until_received("tools/call")
        with pytest.raises(RequestIdReused):
            await house.direct_calls.call(marked(fingerprint="another"), PAY)
        mcp.open("bank")
        assert len(set(await asyncio.gather(*calls))) == 1
    assert len(mcp.calls()) == 1


async def test_a_caller_that_leaves_finds_the_reply_later(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), wait("bank"), reply("paid"))
    async with opened(tmp_path, mcp) as house:
        call = asyncio.create_task(house.direct_calls.call(marked(), PAY))
        await mcp.until_received("tools/call")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        mcp.open("bank")
        assert (await house.direct_calls.call(marked(), PAY)).result == "paid"
    assert len(mcp.calls()) == 1
    assert mcp.received("notifications/cancelled") == []


async def _abandoned(folder: Path, mcp: ScriptedMcp, **config: object) -> None:
    """A call whose process ends while it is made."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(folder, mcp, **config))
        call = asyncio.create_task(house.direct_calls.call(marked(), PAY))
        await mcp.until_executed()
        await stack.aclose()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_call_that_nobody_saw_end_is_unsettled_and_not_made_again(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), hang())
    await _abandoned(tmp_path, mcp)
    mcp.tool("pay")
    async with opened(tmp_path, mcp) as house:
        with pytest.raises(ToolCallUnsettled, match="it is not called again"):
            await house.direct_calls.call(marked(), PAY)
        assert len(mcp.calls()) == 1
        assert (await house.direct_calls.call(marked("m2"), PAY)).state is ToolCallState.SUCCEEDED
    assert len(mcp.calls()) == 2


async def test_one_of_a_repeatable_tool_is_made_again_with_the_same_key(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), hang())
    await _abandoned(tmp_path, mcp, repeatable=True)
    mcp.tool("pay")
    async with opened(tmp_path, mcp, repeatable=True) as house:
        assert (await house.direct_calls.call(marked(), PAY)).state is ToolCallState.SUCCEEDED
    first, second = mcp.calls()
    assert first.key == second.key


async def test_an_unknown_outcome_is_a_reply_and_stays_one(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), leave())
    async with opened(tmp_path, mcp) as house:
        first = await house.direct_calls.call(marked(), PAY)
        assert first.state is ToolCallState.UNKNOWN
        mcp.tool("pay")
        assert await house.direct_calls.call(marked(), PAY) == first
    assert len(mcp.calls()) == 1


async def test_a_call_that_never_left_may_be_made_under_the_same_mark(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay", execute(), hang())
    options = {"max_parallel": 1, "call_timeout": timedelta(milliseconds=500)}
    async with opened(tmp_path, mcp, **options) as house:
        marks = ("m1", "m2", "m3")
        calls = [asyncio.create_task(house.direct_calls.call(marked(mark), PAY)) for mark in marks]
        await asyncio.wait(calls)
        # One has the only place as long as the others wait for it; one of them may get it at that moment, not both.
        refused = [mark for mark, task in zip(marks, calls, strict=True) if task.exception() is not None]
        assert refused
        assert all(isinstance(task.exception(), ToolServerNotReady | None) for task in calls)
        # What one call is refused for is nothing to the others.
        with pytest.raises(UnknownTool):
            await house.direct_calls.call(marked("m4"), CallTool("scripted", "none", {}))
        assert (await house.direct_calls.call(marked("m5"), PAY)).state is ToolCallState.UNKNOWN
    mcp.tool("pay")
    async with opened(tmp_path, mcp) as house:
        assert (await house.direct_calls.call(marked(refused[0]), PAY)).state is ToolCallState.SUCCEEDED
    assert len(mcp.calls()) == len(marks) - len(refused) + 2


async def test_marks_and_keys_are_each_owners_own(tmp_path: Path, mcp: ScriptedMcp) -> None:
    mcp.tool("pay")
    async with opened(tmp_path, mcp) as house:
        for principal in (marked(), marked(by=BERT), ANNA, ANNA):
            await house.direct_calls.call(principal, PAY)
    assert len({call.key for call in mcp.calls()}) == 4
