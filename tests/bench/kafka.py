"""Two processes on one PostgreSQL: how long a piece takes from the model to a viewer on the other process, with Kafka
between them and without; how fast the outbox drains, and what keeping it costs whoever appends.

The publisher is in the viewer's process, so that an event goes the longer way: to PostgreSQL, from there to the
publisher, to Kafka, and back. The viewer in the process of the run is shown beside it.
"""

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from tests.bench.figures import Figure, Report
from tests.bench.outage import outage
from tests.contract.store.postgres_server import PostgresMissing, running_postgres
from tests.faults.client import Client
from tests.faults.cluster import Node, cluster
from tests.faults.databases import Databases
from tests.integration.kafka.publishing import drained, node_to, say, talks
from tests.support.kafka.artifacts import KafkaMissing
from tests.support.kafka.broker import KafkaBroker
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, ScriptedUpstream, answer

PIECES: Final = 60
LIMIT_SECONDS: Final = 0.05
BACKLOG: Final = 20_000
_CONVERSATIONS: Final = 50
_APPENDS: Final = 3000
_AT_ONCE: Final = 64
_PATIENCE_SECONDS: Final = 60
_USUAL: Final = {"PARLEY_LEASE_SECONDS": "6", "PARLEY_LEASE_HEARTBEAT_SECONDS": "2", "PARLEY_LOG_LEVEL": "warning"}


@dataclass(frozen=True)
class Delays:
    """Seconds from the model to viewers."""

    here: list[float]
    there: list[float]

    def __str__(self) -> str:
        here, there = (statistics.median(each) * 1000 for each in (self.here, self.there))
        high = statistics.quantiles(self.there, n=20)[-1] * 1000
        return f"{there:.1f} ms at the median, {high:.1f} at p95; in the run's own process {here:.1f}"


def run() -> Report:
    """Measure what can be measured on this machine."""
    try:
        broker = KafkaBroker()
    except KafkaMissing as missing:
        return Report("Kafka between processes", [], [str(missing)])
    broker.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            return _report(broker, Path(name))
    finally:
        broker.kill()
        broker.remove()


def _report(broker: KafkaBroker, folder: Path) -> Report:
    figures, notes = asyncio.run(_outbox(broker, folder))
    of_outage, played = asyncio.run(outage(broker, folder))
    figures += of_outage
    notes += played
    kafka = {"PARLEY_KAFKA_BOOTSTRAP_SERVERS": broker.servers, "PARLEY_KAFKA_TOPIC": f"bench.{uuid.uuid4().hex}"}
    with closing(Nursery()) as nursery, ExitStack() as stack:
        databases = Databases(folder, lambda: stack.enter_context(running_postgres()))
        try:
            for way, settings in (("over Kafka", kafka), ("over PostgreSQL alone", {})):
                own = folder / way.replace(" ", "-")
                own.mkdir()
                delays = asyncio.run(_fan_out(nursery, databases, own, settings))
                bar = 1.0 if settings else None
                ratio = LIMIT_SECONDS / statistics.median(delays.there)
                figures.append(Figure(f"a piece to the other process, {way}", ratio, bar, str(delays)))
        except PostgresMissing as missing:
            notes.append(str(missing))
    notes.append(f"of the delays the ratio is of {LIMIT_SECONDS * 1000:.0f} ms to the median, of {PIECES} pieces")
    return Report("Kafka between processes", figures, notes)


async def _fan_out(nursery: Nursery, databases: Databases, folder: Path, settings: Mapping[str, str]) -> Delays:
    database = await databases.postgres(folder)
    gates = [Gate() for _ in range(PIECES)]
    async with (
        ScriptedUpstream(default=answer("again")) as upstream,
        cluster(
            folder=folder,
            database=database,
            upstream=upstream.base_url,
            shared=True,
            nursery=nursery,
            settings={**_USUAL, **settings},
        ) as servers,
    ):
        # Whoever comes first publishes.
        there = await servers.start("there")
        here = await servers.start("here")
        client = Client(servers, database.key)
        await client.call("create-thread", {"conversation_key": "talk", "name": ""}, node=here)
        upstream.script(answer(*(part for number, gate in enumerate(gates) for part in (gate, f"<{number}>"))))
        near, far = _Listener(client, here), _Listener(client, there)
        try:
            body = {"conversation_key": "talk", "user_message": {"content": "hi"}}
            await client.call("send-message", body, node=here)
            await upstream.requested()
            delays = Delays([], [])
            for number, gate in enumerate(gates):
                opened = time.perf_counter()
                gate.open()
                delays.here.append(await near.heard(f"<{number}>") - opened)
                delays.there.append(await far.heard(f"<{number}>") - opened)
                await asyncio.sleep(0.02)
        finally:
            await near.close()
            await far.close()
            await client.close()
    # The first piece finds cold caches.
    return Delays(delays.here[1:], delays.there[1:])


class _Listener:
    """A viewer of the thread on one process who notes when each piece came."""

    def __init__(self, client: Client, node: Node) -> None:
        self._times: dict[str, float] = {}
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._listen(client, node))

    async def heard(self, piece: str) -> float:
        """When the piece came, by `perf_counter`."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while piece not in self._times:
                self._came.clear()
                await self._came.wait()
        return self._times[piece]

    async def close(self) -> None:
        """Look away."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _listen(self, client: Client, node: Node) -> None:
        url = f"{node.base}/api/v1/llm/gateway/watch-thread"
        body = {"conversation_key": "talk"}
        async with client.http.stream("POST", url, json=body, timeout=_PATIENCE_SECONDS) as reply:
            async for line in reply.aiter_lines():
                if "<" in line:
                    piece = line[line.index("<") : line.index(">") + 1]
                    self._times.setdefault(piece, time.perf_counter())
                    self._came.set()


async def _outbox(broker: KafkaBroker, folder: Path) -> tuple[list[Figure], list[str]]:
    url = f"sqlite+aiosqlite:///{folder / 'outbox.db'}"
    async with open_store(url, feed=LocalFeed()) as store:
        unwanted = await _appended(url)
        clock = await store.read_system(lambda tx: tx.time())
        await store.write_system(lambda tx: tx.want_events(clock.replace(year=clock.year + 1)))
        wanted = await _appended(url)
        conversations = await talks(store, _CONVERSATIONS)
        each = BACKLOG // _CONVERSATIONS
        for talk in conversations:
            await say(store, talk, *(f"piece {number}" for number in range(each)))
        waiting = (await store.read_system(lambda tx: tx.backlog())).events
    began = time.perf_counter()
    async with node_to(url, (broker.servers,), f"bench.{uuid.uuid4().hex}") as here:
        await drained(here.store, _PATIENCE_SECONDS)
        seconds = time.perf_counter() - began
        published = await _appended(url)
    rate = waiting / seconds
    figures = [
        Figure(
            "appends kept for Kafka, over appends that nobody wants",
            wanted / unwanted,
            None,
            f"{wanted:.0f} and {unwanted:.0f} a second, SQLite, {_AT_ONCE} at once; while published {published:.0f}",
        ),
        Figure(
            f"a minute over draining {waiting} events",
            60 / seconds,
            None,
            f"{rate:.0f} events a second: a minute drains what {rate / 10:.0f} a second leave in ten",
        ),
    ]
    return figures, ["appends share this process and its machine with the publisher and the broker"]


async def _appended(url: str) -> float:
    """Appends a second."""
    async with open_store(url, feed=LocalFeed()) as store:
        conversations = await talks(store, _AT_ONCE)
        began = time.perf_counter()

        async def speak(number: int) -> None:
            for _ in range(_APPENDS // _AT_ONCE):
                await say(store, conversations[number], "a piece of an answer")

        await asyncio.gather(*map(speak, range(_AT_ONCE)))
        return _APPENDS / (time.perf_counter() - began)
