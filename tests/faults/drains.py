"""Cells of stopping: SIGTERM while an answer is given, and under QUEUE another message waits; then a fault on the way
out."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.faults.cells import Cell
from tests.faults.client import Viewer
from tests.faults.cluster import Node
from tests.faults.play import KEY, Play, is_said, says
from tests.support.upstream import Gate, Script, answer

_WHOLE: Final = ("one two", "and again")
_IN_GRACE: Final = ("run.ending", "run.ended")
"""Steps of an answer that comes to its end while the process waits for it."""


class Leaving(Play):
    """A cell whose process is told to end before the fault. What it leaves behind, wherever it is on its way out,
    somebody else takes up."""

    @classmethod
    def settings(cls, cell: Cell, folder: Path) -> Mapping[str, str]:
        """What is under way gets a second to end."""
        return {**super().settings(cell, folder), "PARLEY_GRACE_SECONDS": "1"}

    def leave(self) -> None:
        """Tell the first process to end."""
        self.cluster.nodes[0].service.process.send_signal(signal.SIGTERM)

    async def survived(self, failing: Node) -> None:
        """A fault that the process survives lets it go on with its end."""
        await self.ended(failing)
        self.cluster.turn_to(await self.cluster.start("first"))

    async def take_over(self, failing: Node) -> None:
        """Not even one that goes on after a pause is there for long."""
        await super().take_over(failing)
        if self.cluster.current is failing:
            self.cluster.turn_to(next(node for node in self.cluster.living if node is not failing))

    async def ended(self, node: Node) -> None:
        """Wait for the end of a process. An error in the middle of the drain itself is none that ends well."""
        code = await asyncio.to_thread(node.service.process.wait, 30)
        assert code == 0 or (self.cell.fault, self.cell.step.failpoint) == ("raise", "drain.begun"), code

    async def prove_awake(self, failing: Node) -> None:
        """It goes on with its end."""
        await self.ended(failing)


class Drains(Leaving):
    """A model answers."""

    def scripts(self) -> tuple[Script, ...]:
        """The answer under way."""
        self._speaking = Gate()
        return (answer("one ", self._speaking, "two"),)

    async def act(self, viewer: Viewer) -> list[str]:
        """Send, and tell the process to end."""
        runs = [await self.client.send(KEY, "first")]
        await viewer.saw(lambda seen: says(seen, "one "))
        if self.cell.policy == "QUEUE":
            runs.append(await self.client.send(KEY, "second"))
        self.arm()
        self.leave()
        if self.cell.step.failpoint in _IN_GRACE:
            self._speaking.open()
        return runs

    def let_speak(self) -> None:
        """Open the gate."""
        self._speaking.open()

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """Everything is answered."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        assert await self.listed(runs) == ["COMPLETED"] * len(runs)
        messages = (await self.state())["messages"]
        questions = ["first", *(["second"] if len(runs) == 3 else []), "third"]
        assert [each["content"] for each in messages if each["role"] == "user"] == questions
        assert all(is_said(each, _WHOLE) for each in messages if each["role"] == "assistant"), messages
        await self.check_streams(runs, viewer)
