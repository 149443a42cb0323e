"""Tool servers that fail while a run of a real process calls them: the run goes on, the model is told what is known,
and the server serves the next call."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.databases import Databases
from tests.faults.play import data
from tests.faults.workshop import Workshop, workshop
from tests.support.mcp.actions import Action, error, execute, hang, leave, notify, raw, reply, swap
from tests.support.nursery import Nursery

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def auto(tmp_path: Path, databases: Databases, nursery: Nursery) -> AsyncIterator[Workshop]:
    """Tools that nobody is asked about, and that get two seconds."""
    async with workshop(
        folder=tmp_path,
        database=await databases.sqlite(tmp_path),
        nursery=nursery,
        nodes=("server",),
        tool_server={"policy": '"AUTO"', "call_timeout": "2"},
    ) as opened:
        opened.mcp.tool("look", execute(), reply("seen"))
        await opened.thread("talk")
        yield opened


@dataclass(frozen=True, slots=True)
class Fault:
    """What a tool does when it is called, and what must become of the call."""

    does: tuple[Action, ...]
    state: str
    effects: int = 1
    text: str = ""
    """Part of what the model is told."""


_ANSWER = {"jsonrpc": "2.0", "id": 999_999, "result": {"content": [{"type": "text", "text": "of another call"}]}}
FAULTS = {
    "exits before it takes effect": Fault((leave(),), "UNKNOWN", effects=0),
    "exits behind its effect": Fault((execute(), leave()), "UNKNOWN"),
    "hangs": Fault((execute(), hang()), "UNKNOWN"),
    "answers twice": Fault((execute(), reply("one"), reply("two")), "SUCCEEDED", text="one"),
    "answers another call": Fault(
        (execute(), raw(json.dumps(_ANSWER) + "\n"), reply("mine")), "SUCCEEDED", text="mine"
    ),
    "writes what is no message": Fault((execute(), raw("nonsense\n", 100), reply("mine")), "SUCCEEDED", text="mine"),
    "floods with notifications": Fault(
        (execute(), notify("notifications/progress", 20_000, progress=1), reply("mine")), "SUCCEEDED", text="mine"
    ),
    "floods without an end of line": Fault((execute(), raw("x" * 65_536, 1000)), "UNKNOWN"),
    "answers with an error": Fault((error("no such account"),), "FAILED", effects=0),
}
_ALWAYS = {"exits behind its effect", "answers twice"}
"""What every `make test` plays."""


def _parameters() -> list[object]:
    return [pytest.param(name, marks=() if name in _ALWAYS else pytest.mark.faults) for name in FAULTS]


@pytest.mark.parametrize("name", _parameters())
async def test_a_server_that_fails_in_a_call(auto: Workshop, name: str) -> None:
    fault = FAULTS[name]
    auto.mcp.tool("pay", *fault.does)
    story = await auto.story(await auto.send("talk", "call pay"))
    (ended,) = [data(seen)["toolCallEnded"]["state"] for seen in story if seen.name == "tool_call_ended"]
    assert (ended, len(auto.mcp.calls("pay"))) == (fault.state, fault.effects)
    assert data(story[-1])["runEnded"]["status"] == "COMPLETED"
    (told,) = await auto.results("talk")
    assert fault.text in told
    # Whatever it did, the next call reaches it.
    again = await auto.story(await auto.send("talk", "call look"))
    assert data(again[-1])["runEnded"]["status"] == "COMPLETED"
    assert (await auto.results("talk"))[-1] == "seen"


async def test_answers_in_another_order_reach_their_calls(auto: Workshop) -> None:
    for name in ("one", "two", "three"):
        auto.mcp.tool(name, execute(), swap(3), reply(f"of {name}"))
    run = await auto.send("talk", "call one two three")
    story = await auto.story(run)
    calls = {
        data(seen)["toolCallRequested"]["toolCallId"]: data(seen)["toolCallRequested"]["toolName"]
        for seen in story
        if seen.name == "tool_call_requested"
    }
    told = {
        data(seen)["messageCompleted"]["message"]["toolCallId"]: data(seen)["messageCompleted"]["message"]["content"]
        for seen in story
        if seen.name == "message_completed" and data(seen)["messageCompleted"]["message"]["role"] == "tool"
    }
    assert told == {call: f"of {name}" for call, name in calls.items()}


async def test_a_tool_that_changes_between_proposal_and_approval_is_asked_for_again(
    tmp_path: Path, databases: Databases, nursery: Nursery
) -> None:
    async with workshop(
        folder=tmp_path,
        database=await databases.sqlite(tmp_path),
        nursery=nursery,
        nodes=("server",),
        tool_server={"policy": '"APPROVAL"'},
    ) as shop:
        shop.mcp.tool("pay", description="Pays.")
        await shop.thread("talk")
        run = await shop.send("talk", "call pay")
        first = await shop.pending("talk")
        # The server says nothing of it, and is another process when it is asked again.
        shop.mcp.tool("pay", description="Pays double.")
        await _restarted(shop)
        assert (await shop.decide("talk", first[0]["toolCallId"])).status_code == 200
        second = await shop.pending("talk", but=first)
        assert [each["toolCallId"] for each in second] == [each["toolCallId"] for each in first]
        assert shop.mcp.calls() == []
        assert (await shop.decide("talk", second[0]["toolCallId"])).status_code == 200
        story = await shop.story(run)
        assert data(story[-1])["runEnded"]["status"] == "COMPLETED"
        assert [call.key for call in shop.mcp.calls()] == [first[0]["toolCallId"]]


async def _restarted(shop: Workshop) -> None:
    """Another server process, which connects to the tool server anew."""
    await shop.servers.end()
    shop.servers.turn_to(await shop.servers.start("server"))
