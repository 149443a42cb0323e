"""Acknowledged sends a second, by 1, 10 and 50 senders: SQLite with FULL sync, with NORMAL, and PostgreSQL.

A send is `Runs.send`, up to the moment at which a caller is told that the message is stored, each to a thread of its
own. Nothing answers: what runs cost is left to `first_token` and `live_streams`. NORMAL, which the service does not
offer, may lose acknowledged messages with the machine's power; it shows what their durability costs.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import uvloop

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite import store as sqlite_store
from server.adapters.store.sqlite.connection import connect
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.system import SystemClock, SystemIds
from server.adapters.tools.schemas import JsonSchemas
from server.application.attaching import Attaching
from server.application.audit import Audit
from server.application.conversations import new_conversation
from server.application.guard import OPEN
from server.application.metering import Meter
from server.application.repeats import Repeats
from server.application.runs import Runs, SendMessage
from server.application.spending_rules import SpendingRules
from server.domain.ids import ConversationId, KeyId, WorkerId
from server.domain.limits import Limits
from server.domain.run import Lease, Run, RunState
from server.ports.store import Store, Transaction
from tests.bench.figures import Figure, Report
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer, running_postgres
from tests.support.house import ANNA, ScriptedModels
from tests.support.scripted_provider import ScriptedProvider

SENDERS = (1, 10, 50)
ROUNDS = 4
SECONDS = 0.25
"""Of each round. Stores and numbers of senders take turns, and the best round of each counts, for what else the machine
does slows some of them."""
FULL, NORMAL, POSTGRES = "SQLite FULL", "SQLite NORMAL", "PostgreSQL"
_THREADS = 1000
"""Threads without a message that each round begins with; one that uses them up is over sooner."""
_THREADS_A_UNIT = 250

Result = TypeVar("Result")


class Listener:
    """The worker of a process that accepts messages and leaves the answers to nobody."""

    def lease(self) -> Lease:
        """One that outlasts the bench."""
        return Lease(WorkerId("bench"), datetime.now(UTC) + timedelta(hours=1))

    async def uninterrupted(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Nobody cancels."""
        return await work

    def start(self, run: Run) -> None:
        """The run stays as it was accepted."""

    def stop(self, run: Run) -> None:
        """Nothing was begun."""


class Sending:
    """Senders on one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._models = ScriptedModels(ScriptedProvider())
        limits, clock = Limits(runs_per_caller=0), SystemClock()
        self._runs = Runs(
            store=store,
            clock=clock,
            ids=SystemIds(),
            models=self._models,
            worker=Listener(),
            limits=limits,
            repeats=Repeats(store=store, clock=clock, limits=limits, audit=Audit(clock=clock, ids=SystemIds())),
            guard=OPEN,
            schemas=JsonSchemas(),
            attaching=Attaching(
                store=store, blobs=DirectoryBlobs(Path("unused")), models=self._models, limits=limits.attachments
            ),
            meter=Meter(store=store, clock=clock, ids=SystemIds(), rules=SpendingRules()),
        )
        self._unused: list[str] = []
        self._ids = SystemIds()

    async def rate(self, senders: int) -> float:
        """Acknowledged sends a second by so many senders, each one send after the other."""
        await self.make_threads()
        began = time.perf_counter()
        return await self.sent(senders) / (time.perf_counter() - began)

    async def sent(self, senders: int) -> int:
        """How many sends are acknowledged while a round lasts, or until the threads are used up."""
        done = 0
        began = time.perf_counter()

        async def sender() -> None:
            nonlocal done
            while self._unused and time.perf_counter() < began + SECONDS:
                thread = self._unused.pop()
                # Nothing ends here, and who has many runs under way is counted for longer: each has a key of its own.
                caller = replace(ANNA, key_id=KeyId(thread))
                run = await self._runs.send(caller, SendMessage(thread, "What is the answer? " * 5))
                assert run.state is RunState.RUNNING
                done += 1

        await asyncio.gather(*(sender() for _ in range(senders)))
        return done

    async def make_threads(self) -> None:
        """Have enough threads for a round."""
        now = datetime.now(UTC)
        while len(self._unused) < _THREADS:
            ids = [ConversationId(str(self._ids.uuid())) for _ in range(_THREADS_A_UNIT)]
            made = [new_conversation(ANNA, each, key=each, name="Bench", now=now, models=self._models) for each in ids]

            async def add(tx: Transaction) -> None:
                for thread in made:  # noqa: B023 - run before the next turn
                    await tx.conversations.add(thread)

            await self._store.write(ANNA.owner, add)
            self._unused += ids


def run() -> Report:
    """Measure all stores that can be had here."""
    return uvloop.run(_bench())


async def _bench() -> Report:
    notes = [f"best of {ROUNDS} rounds; NORMAL is for comparison only, the service always waits for the disk"]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stores = {FULL: await stack.enter_async_context(opened_sqlite(folder / "full.db"))}
        with _without_waiting():
            stores[NORMAL] = await stack.enter_async_context(opened_sqlite(folder / "normal.db"))
        try:
            _, url = stack.enter_context(postgres_server())
            stores[POSTGRES] = await stack.enter_async_context(sending(url))
        except PostgresMissing as missing:
            notes.append(f"without PostgreSQL: {missing}")
        rates = await _rates(stores)
    figures = [_figure(rates, store, senders) for store in stores for senders in SENDERS]
    return Report("Acknowledged sends: rate over that of one sender on SQLite with FULL sync", figures, notes)


async def _rates(stores: dict[str, Sending]) -> dict[tuple[str, int], float]:
    """The best rate of each store and number of senders."""
    rounds: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for senders in SENDERS:
            for name, sending in stores.items():
                rounds.setdefault((name, senders), []).append(await sending.rate(senders))
    return {key: max(measured) for key, measured in rounds.items()}


def _figure(rates: dict[tuple[str, int], float], store: str, senders: int) -> Figure:
    rate, full = rates[store, senders], rates[FULL, senders]
    detail = f"{rate:.0f} a second"
    if store != FULL:
        detail += f", {rate / full:.2f} times that of {FULL} with as many senders"
    return Figure(f"{store}, {senders} sender{'s' if senders > 1 else ''}", rate / rates[FULL, 1], None, detail)


def opened_sqlite(path: Path) -> AbstractAsyncContextManager[Sending]:
    """Senders on a file."""
    return sending(f"sqlite+aiosqlite:///{path}")


@asynccontextmanager
async def sending(url: str) -> AsyncIterator[Sending]:
    """Senders on a database."""
    async with open_store(url, feed=LocalFeed()) as store:
        await store.write_system(lambda tx: tx.provision(ANNA.owner, datetime.now(UTC)))
        yield Sending(store)


@contextmanager
def _without_waiting() -> Iterator[None]:
    """Stores that are opened in the block return from a commit before the data is on the disk."""

    def connect_carelessly(path: Path, *, busy_timeout: timedelta, read_only: bool = False) -> SearchingConnection:
        connection = connect(path, busy_timeout=busy_timeout, read_only=read_only)
        connection.execute("PRAGMA synchronous = NORMAL")
        opened.append(connection)
        return connection

    opened: list[SearchingConnection] = []
    with patch.object(sqlite_store, "connect", connect_carelessly):
        yield
    if not opened:
        raise RuntimeError("the store opened its connections in some other way")


@contextmanager
def postgres_server() -> Iterator[tuple[PostgresServer, str]]:
    """A server that waits for the disk, and the URL of an empty database there. Raises `PostgresMissing`."""
    if find_spec("asyncpg") is None:
        raise PostgresMissing("asyncpg is not installed (extra `postgres`)")
    with running_postgres(syncs=True) as server:
        server.create("bench")
        yield server, server.url("bench")
