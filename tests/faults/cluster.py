"""The server processes of a cell, and which of them its clients turn to."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.e2e.service import Service, launch, wait_until_accepting
from tests.faults.databases import PEPPER, Database
from tests.support.nursery import Nursery

LEASE_SECONDS: Final = 1.0
_SETTINGS: Final = {
    "PARLEY_KEY_PEPPER": PEPPER,
    "PARLEY_LEASE_SECONDS": str(LEASE_SECONDS),
    "PARLEY_LEASE_HEARTBEAT_SECONDS": "0.25",
    "PARLEY_STREAM_HEARTBEAT_SECONDS": "0.5",
    # A busy machine may lose a lease more than the fault costs; the bound has tests of its own.
    "PARLEY_RUN_ATTEMPTS": "20",
    "PARLEY_DEFAULT_MODEL": "scripted",
}
_POLL_SECONDS: Final = 0.03
_FAULT_SECONDS: Final = 60


class Node:
    """One server process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.base = ""
        """The start of its URLs, also when it is dead."""
        self.ready_at = 0.0
        """Wall clock when it accepted calls."""

    async def accepts(self) -> None:
        """Wait until it accepts calls."""
        await asyncio.to_thread(wait_until_accepting, self.service)
        self.base = self.service.base
        self.ready_at = time.time()

    async def failed(self, failpoint: str, fault: str) -> None:
        """Wait until the process has met its failpoint and is dead, stopped or past it. Fails when that never comes."""
        deadline = time.monotonic() + _FAULT_SECONDS
        mark = f"failpoint {failpoint}: {fault}"
        while mark not in self.service.output or not self._shows(fault):
            assert time.monotonic() < deadline, f"{mark} was never reached:\n{self.service.output}"
            await asyncio.sleep(_POLL_SECONDS)

    def _shows(self, fault: str) -> bool:
        if fault == "kill":
            return self.service.process.poll() is not None
        return fault != "stop" or self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        stat = Path(f"/proc/{self.service.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    async def pause(self) -> None:
        """SIGSTOP, and its effect."""
        os.kill(self.service.process.pid, signal.SIGSTOP)
        while not self.is_stopped:  # noqa: ASYNC110 - the kernel does it
            await asyncio.sleep(_POLL_SECONDS)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.service.process.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL, and its end."""
        self.service.process.kill()
        await asyncio.to_thread(self.service.process.wait)

    async def end(self) -> int:
        """SIGTERM, and its end; returns the exit code."""
        return await asyncio.to_thread(self.service.stop, signal.SIGTERM)


class Cluster:
    """Processes on one database. Clients talk to `current`; `moved` is set anew whenever that is another one."""

    def __init__(
        self,
        *,
        folder: Path,
        database: Database,
        upstream: str,
        shared: bool,
        nursery: Nursery,
        settings: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._database = database
        self._settings = {**_SETTINGS, "PARLEY_OPENAI_BASE_URL": upstream, **settings}
        self._shared = shared
        self._nursery = nursery
        self._current: Node | None = None
        self.nodes: list[Node] = []
        self.moved = asyncio.Event()

    @property
    def current(self) -> Node:
        """Whom to call."""
        assert self._current is not None
        return self._current

    def turn_to(self, node: Node) -> None:
        """Send clients to another process; they leave what they have open."""
        self._current = node
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    @property
    def living(self) -> list[Node]:
        """The processes that have not ended, those that stand still included."""
        return [node for node in self.nodes if node.service.process.poll() is None]

    async def start(self, name: str, *, failpoints: str = "", armed_from: Path | None = None) -> Node:
        """Start a process with that data directory and wait until it accepts calls."""
        node = self.launch(name, failpoints=failpoints, armed_from=armed_from)
        await node.accepts()
        return node

    def launch(self, name: str, *, failpoints: str = "", armed_from: Path | None = None) -> Node:
        """Start a process that may not live until it accepts calls. Its steps count from the moment at which a file
        appears, if one is named."""
        data = self._folder / name
        settings = {**self._settings, **self._database.settings(data, shared=self._shared)}
        if failpoints:
            settings["FAILPOINTS"] = failpoints
        if armed_from is not None:
            settings["FAILPOINTS_FROM"] = str(armed_from)
        node = Node(launch(data, env=settings, nursery=self._nursery))
        self.nodes.append(node)
        return node

    async def end(self) -> None:
        """Stop every process that lives, as an operator does; each must say that it ended well."""
        living = self.living
        assert [await node.end() for node in living] == [0] * len(living)


@asynccontextmanager
async def cluster(
    *,
    folder: Path,
    database: Database,
    upstream: str,
    shared: bool,
    nursery: Nursery,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Cluster]:
    """A cluster without a process yet; whatever still lives at the end is killed. `settings` are variables of every
    process beside the usual ones."""
    opened = Cluster(
        folder=folder,
        database=database,
        upstream=upstream,
        shared=shared,
        nursery=nursery,
        settings=settings or {},
    )
    try:
        yield opened
    finally:
        for node in opened.nodes:
            node.service.process.kill()
            node.service.process.wait()
