"""Cells of sending: two messages to one conversation, the second while the first is being answered."""

import asyncio
from pathlib import Path
from typing import Final

from tests.faults.client import Viewer
from tests.faults.cluster import Node
from tests.faults.play import KEY, Play, is_said, says
from tests.support.upstream import Gate, Script, answer

_WHOLE: Final = ("one two", "one and on", "two ", "and again")
"""Every answer that some attempt says to its end."""


class Sends(Play):
    """Steps count from the start of the process: the script makes it certain which commit is which."""

    def scripts(self) -> tuple[Script, ...]:
        """Up to the fault; every later answer is whole and comes at once."""
        self._speaking, self._ending = Gate(), Gate()
        if self.cell.policy == "QUEUE":
            return (answer("one ", self._speaking, "two", self._ending),)
        # By the time at which it may go on, the first answer is interrupted, unless the fault came before.
        return answer("one ", self._speaking, "and on"), answer("two ", self._ending)

    def armed_from(self) -> Path | None:
        """From the start."""
        return None

    async def act(self, viewer: Viewer) -> list[str]:
        """The two messages. Faults open every gate."""
        runs = [await self.client.send(KEY, "first")]
        said = not self.cell.step.in_recovery  # what is to be recovered must not be interrupted before
        await viewer.saw(lambda seen: (said and says(seen, "one ")) or self._speaking.is_open)
        runs.append(await self.client.send(KEY, "second"))
        self._speaking.open()
        await viewer.saw(lambda seen: says(seen, "two") or self._ending.is_open)
        if not self.cell.step.at_any_time:
            self._ending.open()
        return runs

    async def until_fault(self, first: Node, viewer: Viewer, acting: "asyncio.Task[list[str]]") -> Node:
        """A step of the recovery has a death before it."""
        failing = first
        if self.cell.step.in_recovery:
            await viewer.saw(lambda seen: says(seen, "one "))
            await first.kill()
            others = [node for node in self.cluster.nodes if node is not first]
            failing = others[0] if others else self.cluster.launch("first", failpoints=self.cell.failpoints)
        await self.failed(failing, acting)
        return failing

    def let_speak(self) -> None:
        """Open both gates."""
        self._speaking.open()
        self._ending.open()

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """Both messages are answered, the first at least as far as it was heard."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        states = await self.listed(runs)
        assert states[1:] == ["COMPLETED"] * 2, states
        assert states[0] == "COMPLETED" or (self.cell.policy, states[0]) == ("INTERRUPT", "INTERRUPTED"), states
        messages = (await self.state())["messages"]
        assert [each["content"] for each in messages if each["role"] == "user"] == ["first", "second", "third"]
        for each in messages:
            if each["role"] == "assistant":
                assert is_said(each, _WHOLE), each
        await self.check_streams(runs, viewer)
