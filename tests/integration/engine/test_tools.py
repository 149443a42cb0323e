"""Runs whose model asks for tools: the loop of rounds, with a real MCP server and everything that can be wrong."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.domain.events import (
    RunEnded,
    ToolCallEnded,
)
from server.domain.message import MessageStatus, Role, Usage
from server.domain.run import RunOptions, RunState
from server.domain.tool import ToolCallState, ToolPolicy
from server.ports.provider import CutShort, RequestedCall, ToolCallsPiece
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.mcp.actions import execute, leave, reply, swap
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.tool_talk import NUMBERS, calls, history, results, spec, tool_house


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server with two tools."""
    server = ScriptedMcp(tmp_path / "mcp")
    server.tool("pay", execute(), reply("paid"), schema=NUMBERS)
    server.tool("look", execute(), reply("seen"))
    return server


@pytest.fixture
async def auto(tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp) -> AsyncIterator[House]:
    """A house whose thread `talk` has the server's tools, which may be called at once."""
    async with tool_house(tmp_path, provider, mcp.config("bank", policy=ToolPolicy.AUTO)) as house:
        yield house
    check_invariants(tmp_path / "house.db", settled=False)


async def test_a_tool_is_called_and_its_result_told_to_the_model(auto: House, mcp: ScriptedMcp) -> None:
    auto.provider.script("Let me pay.", calls(("bank__pay", {"n": 1})), usage(10, 5))
    auto.provider.script("Paid.", usage(20, 2))
    run = await auto.send("Pay 1")
    events = await auto.events(run)
    asked, called, told, answer = await history(auto)
    assert (asked.role, called.role, told.role, answer.role) == (Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT)
    (call,) = called.tool_calls
    assert (called.content, called.status, call.name, call.arguments, call.provider_id) == (
        "Let me pay.",
        MessageStatus.COMPLETE,
        "bank__pay",
        '{"n": 1}',
        "p0",
    )
    assert (told.content, told.tool_call_id, told.run_id) == ("paid", call.id, run.id)
    assert answer.content == "Paid."
    (executed,) = mcp.calls()
    assert (executed.tool, executed.arguments, executed.key) == ("pay", {"n": 1}, call.id)
    ended = events[-1].payload
    assert isinstance(ended, RunEnded)
    assert (ended.state, ended.usage) == (RunState.COMPLETED, Usage(30, 7, 37))
    kinds = [type(event.payload).__name__ for event in events]
    assert kinds == [
        *("RunStarted", "MessageStarted", "TextDelta", "MessageCompleted", "ToolCallRequested", "ToolCallStarted"),
        *("MessageCompleted", "ToolCallEnded", "MessageStarted", "TextDelta", "MessageCompleted", "RunEnded"),
    ]
    over = next(event.payload for event in events if isinstance(event.payload, ToolCallEnded))
    assert over.state is ToolCallState.SUCCEEDED
    assert over.duration is not None
    first, second = auto.provider.requests
    assert [tool.name for tool in first.tools] == ["bank__pay", "bank__look"]
    assert [(message.role, message.content) for message in second.messages] == [
        (Role.USER, "Pay 1"),
        (Role.ASSISTANT, "Let me pay."),
        (Role.TOOL, "paid"),
    ]
    assert second.messages[1].tool_calls[0].id == second.messages[2].tool_call_id


async def test_a_thread_without_servers_offers_nothing(house: House) -> None:
    house.provider.script("Hello")
    await house.ended(await house.send("Hi"))
    assert house.provider.requests[0].tools == ()


async def test_several_calls_run_beside_each_other_and_each_gets_its_own_result(auto: House, mcp: ScriptedMcp) -> None:
    """The server answers them in the other order, which it can only do when both are under way."""
    mcp.tool("one", execute(), swap(2), reply("first"))
    mcp.tool("two", execute(), swap(2), reply("second"))
    auto.provider.script(calls(("bank__one", {}), ("bank__two", {})))
    auto.provider.script("Done")
    await auto.ended(await auto.send("Both"))
    _, called, *told, _ = await history(auto)
    by_call = {message.tool_call_id: message.content for message in told}
    assert [by_call[call.id] for call in called.tool_calls] == ["first", "second"]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("bank__pay", '{"n": ', "no JSON"),
        ("bank__pay", "[1]", "no JSON object"),
        ("bank__pay", '{"n": "one"}', "n"),
        ("bank__pay", "{}", "'n'"),
        ("bank__pay", '{"n": 1, "n": 2}', "twice"),
        ("bank__steal", "{}", "no tool called 'bank__steal'"),
        ("", "{}", "names no tool"),
        ("no such name!" * 20, "{}", "no tool called"),
    ],
)
async def test_what_cannot_be_called_is_told_to_the_model_and_not_called(
    auto: House, mcp: ScriptedMcp, name: str, arguments: str, told: str
) -> None:
    auto.provider.script(calls((name, arguments), ("bank__look", {})))
    auto.provider.script("I see.")
    run = await auto.send("Go")
    assert (await auto.ended(run)).state is RunState.COMPLETED
    refused, looked = await results(auto)
    assert refused.startswith("This tool call was not made: ")
    assert told in refused
    assert looked == "seen"
    assert [call.tool for call in mcp.calls()] == ["look"]
    called = (await history(auto))[1].tool_calls[0]
    assert 1 <= len(called.name) <= 64
    assert called.name.replace("_", "").replace("-", "").isalnum()
    states = [event.payload.state for event in await auto.events(run) if isinstance(event.payload, ToolCallEnded)]
    assert states == [ToolCallState.REFUSED, ToolCallState.SUCCEEDED]


async def test_an_answer_that_was_cut_off_has_none_of_its_calls_made(auto: House, mcp: ScriptedMcp) -> None:
    auto.provider.script("Well", calls(("bank__pay", {"n": 1}), ("bank__pay", {"n": 1})), CutShort())
    auto.provider.script("Sorry")
    await auto.ended(await auto.send("Pay"))
    assert all("cut off" in text for text in await results(auto))
    assert mcp.calls() == []


async def test_the_same_call_twice_in_one_answer_is_made_twice(auto: House, mcp: ScriptedMcp) -> None:
    same = RequestedCall("same", "bank__pay", '{"n": 1}')
    auto.provider.script(ToolCallsPiece((same, same)))
    auto.provider.script("Done")
    await auto.ended(await auto.send("Pay twice"))
    assert len(mcp.calls()) == len({call.key for call in mcp.calls()}) == 2
    assert await results(auto) == ["paid", "paid"]


async def test_more_calls_than_one_answer_may_ask_for_are_not_made(auto: House, mcp: ScriptedMcp) -> None:
    auto.provider.script(calls(*[("bank__look", {})] * 129))
    auto.provider.script("Sorry")
    await auto.ended(await auto.send("Look around"))
    texts = await results(auto)
    assert len(texts) == 128
    assert all("128 at once" in text for text in texts)
    assert mcp.calls() == []


async def test_a_tool_that_fails_says_so_to_the_model(auto: House, mcp: ScriptedMcp) -> None:
    mcp.tool("look", execute(), reply("it is dark", isError=True))
    auto.provider.script(calls(("bank__look", {})))
    auto.provider.script("It is dark.")
    run = await auto.send("Look")
    assert (await auto.ended(run)).state is RunState.COMPLETED
    assert await results(auto) == ["The tool reported an error: it is dark"]
    over = [event.payload for event in await auto.events(run) if isinstance(event.payload, ToolCallEnded)]
    assert [each.state for each in over] == [ToolCallState.FAILED]


async def test_a_server_that_dies_during_a_call_leaves_an_unknown_outcome_and_the_run_goes_on(
    auto: House, mcp: ScriptedMcp
) -> None:
    mcp.tool("pay", execute(), leave())
    auto.provider.script(calls(("bank__pay", {})))
    auto.provider.script("I do not know.")
    assert (await auto.ended(await auto.send("Pay"))).state is RunState.COMPLETED
    (text,) = await results(auto)
    assert "unknown" in text
    assert len(mcp.calls()) == 1


async def test_a_tool_that_the_operator_denies_is_neither_offered_nor_called(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    async with open_house(tmp_path, provider, tools=[mcp.config("bank", policy=ToolPolicy.DENY)]) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(mcp_servers=("bank",)))
        provider.script(calls(("bank__pay", {"n": 1})))
        provider.script("I may not.")
        await house.ended(await house.send("Pay"))
        assert provider.requests[0].tools == ()
        assert mcp.calls() == []
        assert "no tool called" in (await results(house))[0]


async def test_a_server_that_does_not_start_is_left_out_and_fails_no_run(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    broken = ScriptedMcp(tmp_path / "broken")
    broken.change(start={"exit": 1})
    configs = [broken.config("broken"), mcp.config("bank", policy=ToolPolicy.AUTO)]
    async with open_house(tmp_path, provider, tools=configs) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(mcp_servers=("broken", "bank")))
        provider.script("Hello")
        assert (await house.ended(await house.send("Hi"))).state is RunState.COMPLETED
        assert [tool.name for tool in provider.requests[0].tools] == ["bank__pay", "bank__look"]


async def test_after_sixteen_rounds_the_model_has_to_answer(auto: House, mcp: ScriptedMcp) -> None:
    for _ in range(16):
        auto.provider.script(calls(("bank__look", {})))
    auto.provider.script("Enough.")
    run = await auto.send("Look on")
    assert (await auto.ended(run)).state is RunState.COMPLETED
    assert [request.may_call for request in auto.provider.requests] == [True] * 16 + [False]
    assert len(mcp.calls()) == 16
    assert (await history(auto))[-1].content == "Enough."
    assert (await auto.runs.get(ANNA.owner, run.id)).rounds == 16


async def test_a_model_that_goes_on_asking_all_the_same_fails_its_run(auto: House, mcp: ScriptedMcp) -> None:
    for _ in range(17):
        auto.provider.script(calls(("bank__look", {})))
    run = await auto.send("Look on")
    ended = await auto.ended(run)
    assert (ended.state, ended.reason) == (RunState.FAILED, "TOOL_ROUNDS_EXHAUSTED")
    assert len(mcp.calls()) == 16
    auto.provider.script("Hello")
    assert (await auto.ended(await auto.send("Hi"))).state is RunState.COMPLETED


async def test_text_and_calls_of_many_rounds_stay_within_the_limit_of_output(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    limits = replace(QUICK, run_output_bytes=1000)
    configs = [mcp.config("bank", policy=ToolPolicy.AUTO)]
    async with open_house(tmp_path, provider, limits=limits, tools=configs) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(mcp_servers=("bank",)))
        for _ in range(3):
            provider.script("x" * 400, calls(("bank__look", {})))
        ended = await house.ended(await house.send("Look"))
        assert (ended.state, ended.reason) == (RunState.FAILED, "OUTPUT_TOO_LONG")


async def test_tools_of_a_message_go_before_those_of_the_settings(house: House) -> None:
    settings = SettingsChange(client_tools=(spec("beep", "old"), spec("blink")))
    await house.threads.configure_settings(ANNA, "talk", settings)
    house.provider.script("Hello")
    options = RunOptions(client_tools=(spec("beep", "new"),))
    await house.ended(await house.runs.send(ANNA, SendMessage("talk", "Hi", options=options)))
    offered = house.provider.requests[0].tools
    assert [(tool.name, tool.description) for tool in offered] == [("beep", "new"), ("blink", "")]


async def test_no_more_tools_are_offered_than_may_be(
    tmp_path: Path, provider: ScriptedProvider, mcp: ScriptedMcp
) -> None:
    limits = replace(QUICK, tools_offered=2)
    async with open_house(tmp_path, provider, limits=limits, tools=[mcp.config("bank")]) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        settings = SettingsChange(mcp_servers=("bank",), client_tools=(spec("beep"),))
        await house.threads.configure_settings(ANNA, "talk", settings)
        provider.script("Hello")
        await house.ended(await house.send("Hi"))
        assert [tool.name for tool in provider.requests[0].tools] == ["beep", "bank__pay"]
