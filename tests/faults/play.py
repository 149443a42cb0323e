"""What playing any cell has in common: processes, a fault, somebody who takes over, and what must hold afterwards."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from tests.faults.cells import Cell
from tests.faults.client import Client, Seen, Viewer
from tests.faults.cluster import LEASE_SECONDS, Cluster, Node
from tests.faults.databases import Database
from tests.support.invariants import TERMINAL
from tests.support.upstream import Script, ScriptedUpstream, answer

KEY: Final = "talk"
THREAD: Final = {"conversation_key": KEY}
_SETTLE_SECONDS: Final = 60


@dataclass(slots=True)
class Outcome:
    """What a cell that passed tells besides."""

    resumed_seconds: float | None = None
    """From the moment at which somebody could take over (a restart that accepts calls, a death or a stop beside a
    second process) to the reset event of the new attempt, at least 0; `None` when there was none."""


class Play(ABC):
    """One cell under way. What is done in it, and what must come of that, is a kind's own."""

    alone: ClassVar[bool] = False
    """Whether no other process may be there before the fault."""

    def __init__(
        self,
        *,
        cell: Cell,
        servers: Cluster,
        client: Client,
        database: Database,
        upstream: ScriptedUpstream,
        folder: Path,
    ) -> None:
        self.cell = cell
        self.cluster = servers
        self.client = client
        self.database = database
        self.upstream = upstream
        self.outcome = Outcome()
        self._armed = folder / "armed"
        self._possible_from = 0.0
        self.is_blocked = False

    @classmethod
    def settings(cls, cell: Cell, folder: Path) -> Mapping[str, str]:
        """Variables of every process beside the usual ones; what they name is made in the folder."""
        del cell, folder
        return {}

    def scripts(self) -> tuple[Script, ...]:
        """The model's first answers."""
        return ()

    def default(self) -> Script:
        """The answer to every later request."""
        return answer("and ", "again")

    async def play(self) -> Outcome:
        """From the first process to the last check."""
        first = await self.open()
        viewer = Viewer(self.client, self.cluster, KEY)
        acting: asyncio.Task[list[str]] | None = None
        try:
            acting = asyncio.create_task(self.act(viewer))
            failing = await self.until_fault(first, viewer, acting)
            await self.take_over(failing)
            runs = await acting
            await self.settle()
            if self.cell.fault == "stop":
                await self.wake(failing)
            await self.check(runs, viewer)
        finally:
            if acting is not None:
                acting.cancel()
            await viewer.close()
        await self.cluster.end()
        await self.check_rows()
        return self.outcome

    async def check_rows(self) -> None:
        """What is left in the store is in order."""
        await self.database.check()

    async def open(self) -> Node:
        """The first process, and on PostgreSQL a second one beside it; the thread with its policy."""
        cell, servers = self.cell, self.cluster
        armed = "" if cell.step.in_recovery else cell.failpoints
        starting = [servers.start("first", failpoints=armed, armed_from=self.armed_from())]
        if not self.alone and cell.fault != "raise" and (cell.store == "postgres" or cell.fault == "stop"):
            starting.append(servers.start("second", failpoints=cell.failpoints if cell.step.in_recovery else ""))
        first, *_ = await asyncio.gather(*starting)
        servers.turn_to(first)
        await self.client.call("create-thread", {**THREAD, "name": ""})
        await self.client.call("update-settings", {**THREAD, "settings": {"interrupt_policy": cell.policy}})
        return first

    def armed_from(self) -> Path | None:
        """The file from whose appearance on steps count; `None`: from the start of the process."""
        return self._armed

    def arm(self) -> None:
        """Let steps count from now on."""
        self._armed.touch()

    @abstractmethod
    async def act(self, viewer: Viewer) -> list[str]:
        """Do what the fault comes into, as a client that tries until it is answered; returns all runs that were
        acknowledged, in order."""

    async def until_fault(self, first: Node, viewer: Viewer, acting: "asyncio.Task[list[str]]") -> Node:
        """Wait for the fault; returns who failed."""
        del viewer
        await self.failed(first, acting)
        return first

    async def failed(self, failing: Node, acting: "asyncio.Task[list[str]]") -> None:
        """Wait until a process has failed, and say so when the client fails before."""
        waiting = asyncio.create_task(self.fault(failing))
        try:
            await asyncio.wait({waiting, acting}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                acting.result()
            await waiting
        finally:
            waiting.cancel()
        self._possible_from = time.time()
        if self.cell.fault == "raise":
            await self.survived(failing)

    async def survived(self, failing: Node) -> None:
        """A process that only raised is turned to again."""
        await failing.accepts()
        self.cluster.turn_to(failing)

    async def fault(self, failing: Node) -> None:
        """The fault comes to a process."""
        await failing.failed(self.cell.step.failpoint, self.cell.fault)

    async def take_over(self, failing: Node) -> None:
        """See to it that somebody can go on, and let the model speak."""
        cell, servers = self.cell, self.cluster
        if cell.fault == "stop" and await self.database.is_locked():
            # It stands in a transaction, and on SQLite nobody goes on before it does: a pause that outlasts the lease.
            self.is_blocked = True
            await asyncio.sleep(LEASE_SECONDS)
            failing.go_on()
            servers.turn_to(failing)
        elif cell.fault != "raise":
            living = [node for node in servers.living if node is not failing]
            if not living:
                name = "third" if cell.fault == "stop" or cell.store == "postgres" else "first"
                living = [await servers.start(name)]
                self._possible_from = living[0].ready_at
            servers.turn_to(living[0])
        self.let_speak()

    @abstractmethod
    def let_speak(self) -> None:
        """Open whatever holds the model back until the fault."""

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            while not await self._is_settled():  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.1)

    async def _is_settled(self) -> bool:
        listed = (await self.client.call("list-runs", THREAD))["runs"]
        return all(run["status"] in TERMINAL for run in listed)

    async def wake(self, failing: Node) -> None:
        """Let the paused process go on: it works again, and what was done in its absence stays as it is."""
        if self.is_blocked:
            return
        before = await self._own_rows()
        failing.go_on()
        await self.prove_awake(failing)
        assert await self._own_rows() == before, "a process that woke up changed what others had done"

    async def prove_awake(self, failing: Node) -> None:
        """Have the woken process answer. Its writes are taken in order, so what it had on its way is through then."""
        await self.client.call("create-thread", {"conversation_key": "probe", "name": ""}, node=failing)
        sent = {"conversation_key": "probe", "user_message": {"content": "still there?"}}
        run = await self.client.call("send-message", sent, node=failing)
        body = {"run_id": run["runId"]}
        await self.client.replay(failing, "stream-run", body, until=lambda seen: seen.name == "run_ended")

    async def _own_rows(self) -> object:
        tables = await self.database.tables()
        identity = next((row["id"] for row in tables.conversations if row["key"] == KEY), None)
        return None if identity is None else tables.of(identity)

    async def state(self) -> Any:
        """The thread as clients see it."""
        return await self.client.call("conversation-state", THREAD)

    @abstractmethod
    async def check(self, runs: list[str], viewer: Viewer) -> None:
        """What clients were told is so, and a further message is answered like any other."""

    async def listed(self, runs: Sequence[str]) -> list[str]:
        """The states of all runs in order, which are those that were acknowledged."""
        listed = (await self.client.call("list-runs", THREAD))["runs"]
        found = [run["id"] for run in reversed(listed)]
        assert found == list(runs), f"{found} are other runs than were acknowledged"
        return [run["status"] for run in reversed(listed)]

    async def check_streams(self, runs: list[str], viewer: Viewer) -> None:
        """What the viewer saw is the log, byte by byte, on every process that lives; so is every run's own stream."""
        rows = (await self.database.tables()).conversations
        last = next(row["last_sequence"] for row in rows if row["key"] == KEY)
        async with asyncio.timeout(_SETTLE_SECONDS):
            await viewer.saw(lambda seen: bool(seen) and seen[-1].id == last)
        log = viewer.seen
        assert [seen.id for seen in log] == list(range(1, last + 1)), "the viewer missed something, or saw it twice"
        for node in self.cluster.living:
            again = await self.client.replay(node, "watch-thread", THREAD, until=lambda seen: seen.id == last)
            assert again == log, "a replay differs from what was seen"
            for run in runs:
                await self._check_rest(node, run, [seen for seen in log if data(seen).get("runId") == run])
        self._check_order(log, runs)

    async def _check_rest(self, node: Node, run: str, story: list[Seen]) -> None:
        middle = len(story) // 2
        end = story[-1].id
        rest = await self.client.replay(
            node, "stream-run", {"run_id": run}, until=lambda seen: seen.id == end, after=story[middle - 1].id
        )
        assert rest == story[middle:], "a resumed stream is not the rest of the run"

    def _check_order(self, log: list[Seen], runs: list[str]) -> None:
        """No token of a run stands behind the beginning of the next one."""
        turns = [data(seen)["runId"] for seen in log if data(seen).get("runId") and speaks(seen)]
        assert turns == sorted(turns, key=runs.index), "runs spoke at the same time"
        resets = [data(seen) for seen in log if seen.name == "attempt_reset"]
        if resets and self._possible_from:
            self.outcome.resumed_seconds = max(0, _moment(resets[-1]["createdAt"]) - self._possible_from)


def says(seen: list[Seen], text: str) -> bool:
    """Whether some piece of an answer begins with a text."""
    return any(one.name == "text_delta" and data(one)["textDelta"]["text"].startswith(text) for one in seen)


def ends(seen: list[Seen]) -> int:
    """How many runs ended."""
    return sum(one.name == "run_ended" for one in seen)


def speaks(seen: Seen) -> bool:
    """Whether an event is of a run that has begun."""
    is_withdrawal = seen.name == "run_ended" and not data(seen).get("epoch")
    return seen.name != "run_queued" and not is_withdrawal


def is_said(message: Mapping[str, Any], whole: Collection[str]) -> bool:
    """Whether an answer is what some attempt says to its end, or its beginning when it was cut off."""
    content = message["content"]
    return content in whole if message["status"] == "COMPLETE" else any(text.startswith(content) for text in whole)


def data(seen: Seen) -> Any:
    """What an event carries."""
    line = next(line for line in seen.raw.split("\n") if line.startswith("data:"))
    return json.loads(line.removeprefix("data:"))


def _moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
