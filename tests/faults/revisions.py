"""Cells of revising: a question that was answered is edited, or its answer made anew. Under INTERRUPT that also cuts
off the answer to a second question."""

from typing import Any, Final

from tests.faults.client import Viewer
from tests.faults.play import KEY, THREAD, Play, ends, is_said, says
from tests.support.upstream import Gate, Script, answer

_WHOLE: Final = ("one two", "two and on", "new ", "and again")


class Revisions(Play):
    """The revision is made once, and what it replaces stays readable."""

    question = "other"
    """The first message of the history afterwards."""

    def scripts(self) -> tuple[Script, ...]:
        """What is cut off is held back until the revision is acknowledged; its own answer until it was seen."""
        self._cut_off, self._ending = Gate(), Gate()
        revised = answer("new ", self._ending)
        if self.cell.policy == "QUEUE":
            return answer("one two"), revised
        return answer("one two"), answer("two ", self._cut_off, "and on"), revised

    def default(self) -> Script:
        """Also of another attempt at what is to be cut off."""
        return answer("and ", self._cut_off, "again")

    async def act(self, viewer: Viewer) -> list[str]:
        """Revise the first turn."""
        runs = [await self.client.send(KEY, "first")]
        await viewer.saw(lambda seen: ends(seen) == 1)
        self._turn = (await self.state())["messages"]
        if self.cell.policy == "INTERRUPT":
            runs.append(await self.client.send(KEY, "second"))
            await viewer.saw(lambda seen: says(seen, "two "))
        self.arm()
        runs.append(await self.revise())
        self._cut_off.open()
        await viewer.saw(lambda seen: says(seen, "new ") or self._ending.is_open)
        self._ending.open()
        return runs

    async def revise(self) -> str:
        """Edit the question; returns the run that the acknowledgement names."""
        body = {"message_id": self._turn[0]["id"], "user_message": {"content": self.question}}
        return await self._revised("edit-message", body)

    async def _revised(self, route: str, body: dict[str, Any]) -> str:
        reply = await self.client.call(route, {**THREAD, **body, "request_id": "revision"})
        return str(reply["runId"])

    def let_speak(self) -> None:
        """Only the revision's answer: what it cuts off is held until it is acknowledged."""
        self._ending.open()

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """There is one new branch, with one new answer; whatever was there before is in the old one."""
        runs = [*runs, await self.client.send(KEY, "third")]
        await self.settle()
        cut_off = ["INTERRUPTED"] if self.cell.policy == "INTERRUPT" else []
        assert await self.listed(runs) == ["COMPLETED", *cut_off, "COMPLETED", "COMPLETED"]
        messages = (await self.state())["messages"]
        assert [each["content"] for each in messages if each["role"] == "user"] == [self.question, "third"]
        assert [each["role"] for each in messages] == ["user", "assistant"] * 2
        branches = (await self.client.call("list-branches", THREAD))["branches"]
        assert [branch["number"] for branch in branches] == [1, 2]
        old = (await self.client.call("list-messages", {**THREAD, "branch": 1}))["messages"]
        assert old[: len(self._turn)] == self._turn, "what was revised is not what it was"
        questions = [each["content"] for each in old if each["role"] == "user"]
        assert questions == ["first", *(["second"] if cut_off else [])]
        for each in [*messages, *old]:
            if each["role"] == "assistant":
                assert is_said(each, _WHOLE), each
        await self.check_streams(runs, viewer)


class Regenerations(Revisions):
    """The question stays, its answer is another."""

    question = "first"

    async def revise(self) -> str:
        """Have the first answer made anew."""
        return await self._revised("regenerate", {"message_id": self._turn[1]["id"]})
