"""Cells of runs that end, or whose calls lapse, while a tool is waited for or called."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.faults.cells import Cell
from tests.faults.client import Viewer
from tests.faults.cluster import Node
from tests.faults.drains import Leaving
from tests.faults.play import KEY, THREAD, data
from tests.faults.tools import Tools
from tests.support.ledger import check_ledger

_APPROVAL_SECONDS: Final = 3


class ToolInterrupts(Tools):
    """A message ends the run; neither model nor tool go on before it is acknowledged."""

    queues: ClassVar[bool] = False

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._may_speak = False

    async def go_on(self, runs: list[str]) -> None:
        """End the run."""
        await self.finish(runs)
        self._may_speak = True
        self.let_speak()

    async def finish(self, runs: list[str]) -> None:
        """Interrupt it."""
        runs.append(await self.client.send(KEY, "second"))

    def let_speak(self) -> None:
        """Not before the end is acknowledged."""
        if self._may_speak:
            super().let_speak()

    def ends(self, runs: list[str]) -> list[str]:
        """The first one was cut off."""
        return ["INTERRUPTED", *["COMPLETED"] * (len(runs) - 1)]


class ToolCancellations(ToolInterrupts):
    """The run is cancelled; what waits behind it begins."""

    queues: ClassVar[bool] = True

    async def finish(self, runs: list[str]) -> None:
        """Cancel it."""
        cancelled = await self.client.call("cancel-run", {"run_id": runs[0]}, mark="cancellation")
        assert cancelled["status"] == "CANCELLED"

    def ends(self, runs: list[str]) -> list[str]:
        """The first one was cancelled."""
        return ["CANCELLED", *["COMPLETED"] * (len(runs) - 1)]


class ToolDeletions(ToolInterrupts):
    """The thread is deleted; nothing of it is left, and its key is free."""

    queues: ClassVar[bool] = True

    async def finish(self, runs: list[str]) -> None:
        """Delete it."""
        tables = await self.database.tables()
        self._gone = {row["id"] for row in tables.conversations if row["key"] == KEY}
        self._forgotten = [call["id"] for call in tables.tool_calls]
        await self.client.call("delete-thread", THREAD, mark="deletion")

    async def settle(self) -> None:
        """There is nothing left to do."""

    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """A new thread of the same key knows nothing of the old one."""
        gone = await self.client.reply("conversation-state", THREAD)
        assert gone is not None
        assert gone.status_code == 404, gone.text
        await self.client.call("create-thread", {**THREAD, "name": ""})
        run = await self.client.call("send-message", {**THREAD, "user_message": {"content": "third"}})
        await super().settle()
        assert await self.listed([run["runId"]]) == ["COMPLETED"]

    async def check_rows(self) -> None:
        """Not a row is left, and the call took effect once at most."""
        await self.database.check()
        tables = await self.database.tables()
        left = (*tables.runs, *tables.messages, *tables.events, *tables.tool_calls, *tables.approvals)
        assert not any(row["conversation_id"] in self._gone for row in left)
        check_ledger(tables.tool_calls, self.mcp.calls(), forgotten=self._forgotten)


class Expiries(Tools):
    """Nobody decides, and no process may be there when time is over."""

    alone: ClassVar[bool] = True
    queues: ClassVar[bool] = False

    @classmethod
    def settings(cls, cell: Cell, folder: Path) -> Mapping[str, str]:
        """Decisions are waited for for a moment."""
        return {**super().settings(cell, folder), "PARLEY_APPROVAL_SECONDS": str(_APPROVAL_SECONDS)}

    async def parked(self, viewer: Viewer) -> None:
        """Learn until when."""
        await super().parked(viewer)
        paused = next(one for one in viewer.seen if one.name == "run_paused")
        self._until = datetime.fromisoformat(data(paused)["runPaused"]["expiresAt"]).timestamp()

    async def go_on(self, runs: list[str]) -> None:
        """Say nothing."""

    async def take_over(self, failing: Node) -> None:
        """Who was down comes back when time is over."""
        if not self.cell.step.failpoint:
            await asyncio.sleep(max(0, self._until - time.time()))
        await super().take_over(failing)


class ToolDrains(Leaving, Tools):
    """The process is told to end while a tool is waited for, or called."""

    async def go_on(self, runs: list[str]) -> None:
        """Who waits for a decision gets it from whoever is there then."""
        self.leave()
        await super().go_on(runs)
