"""Cells of tools: the model asks for one call, a person permits it, it is made, and the model goes on."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.faults.cells import Cell
from tests.faults.client import Seen, Viewer
from tests.faults.cluster import Node
from tests.faults.play import KEY, THREAD, Play, data
from tests.support.ledger import check_ledger
from tests.support.mcp.actions import execute, reply, wait
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.upstream import Delta, Gate, RecordedRequest, Script, answer

_GATE: Final = "bank"
_POLL_SECONDS: Final = 0.03
_TELLING: Final = ("tool_call_started", "attempt_reset", "tool_call_ended")


def bank(folder: Path) -> ScriptedMcp:
    """The server of a cell: its one tool takes effect, waits at a gate and answers."""
    mcp = ScriptedMcp(folder / "mcp")
    mcp.tool("pay", execute(), wait(_GATE), reply("paid"))
    return mcp


class Tools(Play):
    """At most once, whatever happens: what is known to be done is done once, and what is not known is called so."""

    rules: ClassVar[Mapping[str, str]] = {"policy": '"APPROVAL"'}
    """What the operator says of the tool."""
    asked_for: ClassVar[str] = "bank__pay"
    """What the model asks for."""
    queues: ClassVar[bool] = True
    """Whether a second message waits behind the run, where the policy lets it."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.mcp = bank(parts["folder"])
        self.speaking = Gate()
        self._arrived = asyncio.Event()
        if self.cell.step.phase != "calling":
            self.mcp.open(_GATE)
            self.speaking.open()
        self.upstream.chooses = self._answer

    @classmethod
    def settings(cls, cell: Cell, folder: Path) -> Mapping[str, str]:
        """The bank is configured."""
        file = folder / "parley.toml"
        file.write_text(bank(folder).toml("bank", **cls.rules))
        return {"PARLEY_CONFIG": str(file)}

    async def open(self) -> Node:
        """The thread has the tool."""
        first = await super().open()
        await self.client.call("update-settings", {**THREAD, "settings": self.thread_settings()})
        return first

    def thread_settings(self) -> Any:
        """What the thread has of tools."""
        return {"mcp_servers": {"names": ["bank"]}}

    async def act(self, viewer: Viewer) -> list[str]:
        """Go to the phase, and on from there."""
        runs = await self._reach(viewer)
        await self.go_on(runs)
        return runs

    async def go_on(self, runs: list[str]) -> None:
        """Have the call made."""
        del runs
        if self.cell.step.phase != "calling":
            await self.permit()

    async def _reach(self, viewer: Viewer) -> list[str]:
        phase = self.cell.step.phase
        if phase == "asking":
            self.arm()
        runs = [await self.client.send(KEY, "first")]
        await self.parked(viewer)
        if self.cell.policy == "QUEUE" and self.queues:
            runs.append(await self.client.send(KEY, "second"))
        if phase == "calling":
            await self.permit()
            while not self.mcp.calls():  # noqa: ASYNC110 - another process writes the ledger
                await asyncio.sleep(_POLL_SECONDS)
        if phase != "asking":
            self.arm()
            self._arrived.set()
        return runs

    async def parked(self, viewer: Viewer) -> None:
        """Wait until the run waits."""
        await viewer.saw(lambda seen: any(one.name == "run_paused" for one in seen))

    async def permit(self) -> None:
        """Approve the call."""
        pending = (await self.client.call("list-pending-approvals", THREAD))["approvals"]
        decision = {"tool_call_id": pending[0]["toolCallId"], "approved": True}
        await self.client.call("submit-tool-approvals", {**THREAD, "approvals": [decision]}, mark="decision")

    async def until_fault(self, first: Node, viewer: Viewer, acting: "asyncio.Task[list[str]]") -> Node:
        """A step of the recovery has a death before it, while the tool is being called."""
        del viewer
        failing = first
        if self.cell.step.in_recovery:
            await self._arrival(acting)
            await first.kill()
            others = [node for node in self.cluster.nodes if node is not first]
            failing = others[0] if others else self.cluster.launch("first", failpoints=self.cell.failpoints)
        await self.failed(failing, acting)
        return failing

    async def fault(self, failing: Node) -> None:
        """From inside, or from outside once the phase is reached."""
        if self.cell.step.failpoint:
            await super().fault(failing)
            return
        await self._arrived.wait()
        await (failing.kill() if self.cell.fault == "kill" else failing.pause())

    async def _arrival(self, acting: "asyncio.Task[list[str]]") -> None:
        arrival = asyncio.create_task(self._arrived.wait())
        await asyncio.wait({arrival, acting}, return_when=asyncio.FIRST_COMPLETED)
        arrival.cancel()
        if acting.done():
            acting.result()

    def let_speak(self) -> None:
        """Open the tool's gate and the model's."""
        self.mcp.open(_GATE)
        self.speaking.open()

    def _answer(self, request: RecordedRequest) -> Script:
        last = request.body["messages"][-1]
        if last["role"] == "user" and last["content"] == "first":
            call = {"index": 0, "id": "c1", "type": "function", "function": {"name": self.asked_for, "arguments": "{}"}}
            return answer(Delta({"tool_calls": [call]}), finish_reason="tool_calls")
        if last["role"] == "tool":
            return answer("and ", self.speaking, "again")
        return answer("and ", "again")

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """Every message is answered, and the call has come to what it must."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        assert await self.listed(runs) == self.ends(runs)
        messages = (await self.state())["messages"]
        questions = [each["content"] for each in messages if each["role"] == "user"]
        assert questions == ["first", *(["second"] if len(runs) == 3 else []), "third"]
        assert [each["content"] for each in messages if each["role"] == "assistant"][-1] == "and again"
        assert (await self.client.call("list-pending-approvals", THREAD))["approvals"] == []
        self._check_outcome(viewer.seen)
        await self.check_streams(runs, viewer)

    def ends(self, runs: list[str]) -> list[str]:
        """How the runs ended."""
        return ["COMPLETED"] * len(runs)

    def _check_outcome(self, seen: list[Seen]) -> None:
        """What became of the call. A process that was paused in a transaction that kept out all others went on with
        it, so that the call has its result; a lease that was lost while it was made, be it to a busy machine, leaves
        nobody who knows."""
        story = [one for one in seen if one.name in _TELLING]
        (ended,) = [data(one)["toolCallEnded"]["state"] for one in story if one.name == "tool_call_ended"]
        names = [one.name for one in story]
        expected = {self.cell.step.outcome, *(["SUCCEEDED"] if self.is_blocked else [])}
        if ("tool_call_started", "attempt_reset") in pairwise(names[: names.index("tool_call_ended")]):
            expected.add("UNKNOWN")
        assert ended in expected, f"the call is {ended}: {names}"

    async def check_rows(self) -> None:
        """The books of the tool agree with the ledger."""
        await super().check_rows()
        check_ledger((await self.database.tables()).tool_calls, self.mcp.calls())


class RepeatableTools(Tools):
    """Nobody is asked, and what is not known to be done is done again, under the same key."""

    rules: ClassVar[Mapping[str, str]] = {"policy": '"AUTO"', "repeatable": "true"}
    queues: ClassVar[bool] = False

    async def parked(self, viewer: Viewer) -> None:
        """It never is."""

    async def permit(self) -> None:
        """Not needed."""

    async def check_rows(self) -> None:
        """One call, whose key is the same however often it was made; again by whoever took over, when it was under
        way."""
        await super().check_rows()
        keys = [call.key for call in self.mcp.calls()]
        assert len(set(keys)) == 1
        assert len(keys) >= 2 or self.cell.step.name != "calling"


class ClientTools(Tools):
    """The client is asked, and answers when it can."""

    asked_for: ClassVar[str] = "locate"

    def thread_settings(self) -> Any:
        """A tool of the client."""
        return {"client_tools": {"tools": [{"name": "locate", "input_schema": {"type": "object"}}]}}

    async def parked(self, viewer: Viewer) -> None:
        """Learn what is asked."""
        await super().parked(viewer)
        asked = next(one for one in viewer.seen if one.name == "tool_call_requested")
        self._call_id = data(asked)["toolCallRequested"]["toolCallId"]

    async def permit(self) -> None:
        """Answer."""
        result = {"tool_call_id": self._call_id, "result": "here"}
        await self.client.call("submit-client-tool-results", {**THREAD, "tool_results": [result]}, mark="result")
