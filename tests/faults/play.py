"""Plays a cell: two messages to one conversation, a fault at a step, and what must hold afterwards."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.cells import Cell
from tests.faults.client import Client, Seen, Viewer
from tests.faults.cluster import LEASE_SECONDS, Cluster, Node, cluster
from tests.faults.databases import Database
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, Script, ScriptedUpstream, answer

_KEY: Final = "talk"
_THREAD: Final = {"conversation_key": _KEY}
_WHOLE: Final = ("one two", "one and on", "two ", "and again")
"""Every answer that some attempt says to its end."""
_SETTLE_SECONDS: Final = 60
_TERMINAL: Final = {"COMPLETED", "INTERRUPTED"}


@dataclass(slots=True)
class Outcome:
    """What a cell that passed tells besides."""

    resumed_seconds: float | None = None
    """From the moment at which somebody could take over (a restart that accepts calls, a death or a stop beside a
    second process) to the reset event of the new attempt, at least 0; `None` when there was none."""


class Play:
    """One cell under way."""

    def __init__(self, cell: Cell, servers: Cluster, client: Client, database: Database) -> None:
        self._cell = cell
        self._cluster = servers
        self._client = client
        self._database = database
        self._speaking, self._ending = Gate(), Gate()
        self.outcome = Outcome()
        self._possible_from = 0.0
        self._is_blocked = False

    def scripts(self) -> tuple[Script, ...]:
        """The model's first answers, up to the fault; every later one is whole and comes at once."""
        if self._cell.policy == "QUEUE":
            return (answer("one ", self._speaking, "two", self._ending),)
        # By the time at which it may go on, the first answer is interrupted, unless the fault came before.
        return answer("one ", self._speaking, "and on"), answer("two ", self._ending)

    async def play(self) -> Outcome:
        """From the first process to the last check."""
        cell, servers = self._cell, self._cluster
        first = await self._open()
        viewer = Viewer(self._client, servers, _KEY)
        try:
            sending = asyncio.create_task(self._send(viewer))
            failing = await self._until_fault(first, viewer)
            await self._take_over(failing)
            runs = await sending
            await self._settle()
            if cell.fault == "stop":
                await self._wake(failing)
            await self._check(runs, viewer)
        finally:
            await viewer.close()
        await servers.end()
        await self._database.check()
        return self.outcome

    async def _open(self) -> Node:
        """The first process, and on PostgreSQL a second one beside it; the thread with its policy."""
        cell, servers = self._cell, self._cluster
        armed = "" if cell.step.in_recovery else cell.failpoints
        starting = [servers.start("first", failpoints=armed)]
        if cell.fault != "raise" and (cell.store == "postgres" or cell.fault == "stop"):
            starting.append(servers.start("second", failpoints=cell.failpoints if cell.step.in_recovery else ""))
        first, *_ = await asyncio.gather(*starting)
        servers.turn_to(first)
        await self._client.call("create-thread", {**_THREAD, "name": ""})
        await self._client.call("update-settings", {**_THREAD, "settings": {"interrupt_policy": cell.policy}})
        return first

    async def _send(self, viewer: Viewer) -> list[str]:
        """The two messages, the second while the first is being answered. Faults open every gate."""
        runs = [await self._client.send(_KEY, "first")]
        said = not self._cell.step.in_recovery  # what is to be recovered must not be interrupted before
        await viewer.saw(lambda seen: (said and _says(seen, "one ")) or self._speaking.is_open)
        runs.append(await self._client.send(_KEY, "second"))
        self._speaking.open()
        await viewer.saw(lambda seen: _says(seen, "two") or self._ending.is_open)
        if not self._cell.step.at_any_time:
            self._ending.open()
        return runs

    async def _until_fault(self, first: Node, viewer: Viewer) -> Node:
        """Wait for the fault; a step of the recovery has a death before it."""
        step, fault = self._cell.step, self._cell.fault
        failing = first
        if step.in_recovery:
            await viewer.saw(lambda seen: _says(seen, "one "))
            await first.kill()
            others = [node for node in self._cluster.nodes if node is not first]
            failing = others[0] if others else self._cluster.launch("first", failpoints=self._cell.failpoints)
        await failing.failed(step.failpoint, fault)
        if fault == "raise":
            await failing.accepts()
            self._cluster.turn_to(failing)
        self._possible_from = time.time()
        return failing

    async def _take_over(self, failing: Node) -> None:
        """See to it that somebody can go on."""
        cell, servers = self._cell, self._cluster
        if cell.fault == "stop" and await self._database.is_locked():
            # It stands in a transaction, and on SQLite nobody goes on before it does: a pause that outlasts the lease.
            self._is_blocked = True
            await asyncio.sleep(LEASE_SECONDS)
            failing.go_on()
            servers.turn_to(failing)
        elif cell.fault != "raise":
            living = [node for node in servers.nodes if node is not failing and node.service.process.poll() is None]
            if not living:
                name = "third" if cell.fault == "stop" or cell.store == "postgres" else "first"
                living = [await servers.start(name)]
                self._possible_from = living[0].ready_at
            servers.turn_to(living[0])
        self._speaking.open()
        self._ending.open()

    async def _settle(self) -> None:
        """Wait until nothing is left to do."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            while (await self._state())["status"] != "IDLE":  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.1)

    async def _wake(self, failing: Node) -> None:
        """Let the paused process go on: it works again, and what was done in its absence stays as it is."""
        if self._is_blocked:
            return
        before = await self._database.tables()
        failing.go_on()
        # Its writes are taken in order, so what it had on its way is through when this is answered there.
        await self._client.call("create-thread", {"conversation_key": "probe", "name": ""}, node=failing)
        sent = {"conversation_key": "probe", "user_message": {"content": "still there?"}}
        run = await self._client.call("send-message", sent, node=failing)
        body = {"run_id": run["runId"]}
        await self._client.replay(failing, "stream-run", body, until=lambda seen: seen.name == "run_ended")
        after = await self._database.tables()
        identity = next(row["id"] for row in after.conversations if row["key"] == _KEY)
        assert after.of(identity) == before.of(identity), "a process that woke up changed what others had done"

    async def _state(self) -> Any:
        return await self._client.call("conversation-state", _THREAD)

    async def _check(self, runs: list[str], viewer: Viewer) -> None:
        """What clients were told is so, and a third message is answered like any other."""
        runs = [*runs, await self._client.send(_KEY, "third")]
        await self._settle()
        listed = (await self._client.call("list-runs", _THREAD))["runs"]
        assert [run["id"] for run in reversed(listed)] == runs, "other runs than were acknowledged"
        states = [run["status"] for run in reversed(listed)]
        assert states[1:] == ["COMPLETED"] * 2, states
        assert states[0] == "COMPLETED" or (self._cell.policy, states[0]) == ("INTERRUPT", "INTERRUPTED"), states
        messages = (await self._state())["messages"]
        assert [each["content"] for each in messages if each["role"] == "user"] == ["first", "second", "third"]
        for each in messages:
            if each["role"] == "assistant":
                assert _is_said(each["content"], whole=each["status"] == "COMPLETE"), each
        await self._check_streams(runs, viewer)

    async def _check_streams(self, runs: list[str], viewer: Viewer) -> None:
        """What the viewer saw is the log, byte by byte, on every process that lives; so is every run's own stream."""
        living = [node for node in self._cluster.nodes if node.service.process.poll() is None]
        rows = (await self._database.tables()).conversations
        last = next(row["last_sequence"] for row in rows if row["key"] == _KEY)
        async with asyncio.timeout(_SETTLE_SECONDS):
            await viewer.saw(lambda seen: bool(seen) and seen[-1].id == last)
        log = viewer.seen
        assert [seen.id for seen in log] == list(range(1, last + 1)), "the viewer missed something, or saw it twice"
        for node in living:
            again = await self._client.replay(node, "watch-thread", _THREAD, until=lambda seen: seen.id == last)
            assert again == log, "a replay differs from what was seen"
            for run in runs:
                story = [seen for seen in log if _data(seen).get("runId") == run]
                middle = len(story) // 2
                rest = await self._client.replay(
                    node,
                    "stream-run",
                    {"run_id": run},
                    until=lambda seen: seen.name == "run_ended",
                    after=story[middle - 1].id,
                )
                assert rest == story[middle:], "a resumed stream is not the rest of the run"
        self._check_order(log, runs)

    def _check_order(self, log: list[Seen], runs: list[str]) -> None:
        """No token of a run stands behind the beginning of the next one."""
        turns = [_data(seen)["runId"] for seen in log if seen.name != "run_queued"]
        assert turns == sorted(turns, key=runs.index), "runs spoke at the same time"
        resets = [_data(seen) for seen in log if seen.name == "attempt_reset"]
        if resets and self._possible_from:
            self.outcome.resumed_seconds = max(0, _moment(resets[-1]["createdAt"]) - self._possible_from)


async def play(cell: Cell, folder: Path, database: Database, nursery: Nursery) -> Outcome:
    """Play a cell in an empty folder."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream(default=answer("and ", "again")))
        shared = cell.fault == "stop"
        servers = await stack.enter_async_context(
            cluster(folder=folder, database=database, upstream=upstream.base_url, shared=shared, nursery=nursery)
        )
        client = Client(servers, database.key)
        stack.push_async_callback(client.close)
        playing = Play(cell, servers, client, database)
        upstream.script(*playing.scripts())
        return await playing.play()


def _is_said(content: str, *, whole: bool) -> bool:
    return content in _WHOLE if whole else any(text.startswith(content) for text in _WHOLE)


def _says(seen: list[Seen], text: str) -> bool:
    return any(one.name == "text_delta" and _data(one)["textDelta"]["text"].startswith(text) for one in seen)


def _data(seen: Seen) -> Any:
    line = next(line for line in seen.raw.split("\n") if line.startswith("data:"))
    return json.loads(line.removeprefix("data:"))


def _moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
