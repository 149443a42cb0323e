"""Cells of cancelling: a run under way, with another one waiting behind it under QUEUE; or the one that waits."""

from typing import Final

from tests.faults.client import Viewer
from tests.faults.play import KEY, Play, is_said, says
from tests.support.upstream import Gate, Script, answer

_WHOLE: Final = ("one two", "and again")


class Cancellations(Play):
    """Whatever happens to the cancellation, the run ends cancelled: the model is held back until it is acknowledged."""

    def scripts(self) -> tuple[Script, ...]:
        """The answer that is cut off."""
        self._speaking = Gate()
        return (answer("one ", self._speaking, "two"),)

    def default(self) -> Script:
        """Also of another attempt at what is to be cancelled."""
        return answer("and ", self._speaking, "again")

    async def act(self, viewer: Viewer) -> list[str]:
        """Cancel the first run."""
        runs = [await self.client.send(KEY, "first")]
        await viewer.saw(lambda seen: says(seen, "one "))
        if self.cell.policy == "QUEUE":
            runs.append(await self.client.send(KEY, "second"))
        self.arm()
        await self.cancel(runs)
        self._speaking.open()
        return runs

    async def cancel(self, runs: list[str]) -> None:
        """What is acknowledged is over."""
        cancelled = await self.client.call("cancel-run", {"run_id": runs[0]}, mark="cancellation")
        assert cancelled["status"] == "CANCELLED"

    def let_speak(self) -> None:
        """Nothing before the acknowledgement."""

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """The first is cancelled, with what it had said; every other one is answered."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        assert await self.listed(runs) == ["CANCELLED", *["COMPLETED"] * (len(runs) - 1)]
        await self.check_messages(["first", *(["second"] if len(runs) == 3 else []), "third"])
        await self.check_streams(runs, viewer)

    async def check_messages(self, questions: list[str]) -> None:
        """The history has these questions, and answers that were said."""
        messages = (await self.state())["messages"]
        assert [each["content"] for each in messages if each["role"] == "user"] == questions
        assert all(is_said(each, _WHOLE) for each in messages if each["role"] == "assistant"), messages


class Withdrawals(Cancellations):
    """The run that waits is cancelled; its message never enters the history."""

    async def cancel(self, runs: list[str]) -> None:
        """It never begins."""
        cancelled = await self.client.call("cancel-run", {"run_id": runs[1]}, mark="cancellation")
        assert (cancelled["status"], cancelled.get("startedAt")) == ("CANCELLED", None)

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """The second is cancelled, the others are answered."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        assert await self.listed(runs) == ["COMPLETED", "CANCELLED", "COMPLETED"]
        await self.check_messages(["first", "third"])
        await self.check_streams([runs[0], runs[2]], viewer)
