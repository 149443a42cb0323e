"""Cells of the response cache: two chats ask the same, one of them leads and the other one waits for it."""

import asyncio
from typing import Any, Final

from tests.faults.client import Viewer
from tests.faults.play import THREAD, Play
from tests.support.upstream import Gate, Script, answer

_OTHER: Final = {"conversation_key": "other"}
_PATH: Final = "/chat/prompt"
_QUESTION: Final = "the same to all"


class Caches(Play):
    """Whoever leads when the fault comes, both are answered in the end, and whoever asks then needs no model."""

    def scripts(self) -> tuple[Script, ...]:
        """The leader's, held until both have asked."""
        self._speaking = Gate()
        return (answer("one ", self._speaking, "two"),)

    async def act(self, viewer: Viewer) -> list[str]:
        """Ask twice."""
        chats = [str((await self.state())["id"])]
        chats.append(str((await self.client.call("create-thread", {**_OTHER, "name": ""}))["id"]))
        self.arm()
        asking = [asyncio.create_task(self._ask(chats[0]))]
        if self.cell.step.failpoint == "cache.waiting":
            await viewer.saw(lambda seen: any(one.name == "text_delta" for one in seen))
        asking.append(asyncio.create_task(self._ask(chats[1])))
        if self.cell.step.failpoint in ("cache.storing", "cache.stored"):
            self._speaking.open()
        self._answers = await asyncio.gather(*asking)
        listed = (await self.client.call("list-runs", THREAD))["runs"]
        return [run["id"] for run in listed]

    async def _ask(self, chat_id: str) -> str:
        body = {"chat_id": chat_id, "message": _QUESTION, "generate_title": False}
        return str((await self.client.call(_PATH, body, mark=f"ask {chat_id}"))["answer"])

    def let_speak(self) -> None:
        """Open the gate."""
        self._speaking.open()

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """One run each, each with its answer; a third chat gets one of these answers, and the model is not asked."""
        assert await self.listed(runs) == ["COMPLETED"]
        for thread, told in zip((THREAD, _OTHER), self._answers, strict=True):
            messages = (await self.client.call("conversation-state", thread))["messages"]
            assert [(each["role"], each["content"]) for each in messages] == [("user", _QUESTION), ("assistant", told)]
        asked = len(self.upstream.requests)
        made: Any = await self.client.call("create-thread", {"conversation_key": "third", "name": ""})
        assert await self._ask(str(made["id"])) in self._answers
        assert len(self.upstream.requests) == asked, "what was stored is not given again"
        await self.check_streams(runs, viewer)
