"""Ten minutes without Kafka, in less time: the broker is killed, what ten minutes bring is appended as fast as it goes,
and the broker comes back. What appending costs with and without it, how soon all is there, and that all of it is.
"""

import asyncio
import statistics
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from server.domain.conversation import Conversation
from server.ports.store import Store
from tests.bench.figures import Figure
from tests.integration.kafka.publishing import CODEC, drained, logs, node_to, say, talks
from tests.support.kafka.broker import KafkaBroker
from tests.support.kafka.topic import check_topic, records_of

OUTAGE: Final = timedelta(minutes=10)
EVENTS_A_SECOND: Final = 100
"""What the service is taken to append during the outage, all conversations together."""
DRAINED_WITHIN: Final = OUTAGE / 10
UNSLOWED: Final = 0.8
"""The least that the pace of appends without a broker may be of that with one; two runs of the same differ as much."""
_BACKLOG: Final = EVENTS_A_SECOND * int(OUTAGE.total_seconds())
_BEFORE: Final = _BACKLOG // 10
_AT_ONCE: Final = 32
_PATIENCE_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class _Load:
    """What appending cost."""

    rate: float
    """Events a second."""
    median: float
    """Seconds of one append."""
    cpu: float
    """Seconds of this process an append, its publisher's among them."""

    def __str__(self) -> str:
        return f"{self.rate:.0f} a second, {self.median * 1e3:.1f} ms at the median, {self.cpu * 1e6:.0f} µs CPU each"


async def outage(broker: KafkaBroker, folder: Path) -> tuple[list[Figure], list[str]]:
    """Play it with a broker that runs, and runs again afterwards. Raises `AssertionError` when the topic is not, in the
    end, what the logs are."""
    topic = f"bench.{uuid.uuid4().hex}"
    async with node_to(f"sqlite+aiosqlite:///{folder / 'outage.db'}", (broker.servers,), topic, patience=3) as here:
        conversations = await talks(here.store, _AT_ONCE)
        before = await _appended(here.store, conversations, _BEFORE)
        await drained(here.store, _PATIENCE_SECONDS)
        await asyncio.to_thread(broker.kill)
        away = await _appended(here.store, conversations, _BACKLOG)
        waiting = (await here.store.read_system(lambda tx: tx.backlog())).events
        await asyncio.to_thread(broker.start)
        back = time.perf_counter()
        await drained(here.store, _PATIENCE_SECONDS)
        seconds = time.perf_counter() - back
        records = await records_of(broker.servers, topic)
        check_topic(records, await logs(here.store, *conversations), CODEC)
    bound = DRAINED_WITHIN.total_seconds()
    return [
        Figure(
            "appends while the broker is away, over appends while it is there",
            away.rate / before.rate,
            UNSLOWED,
            f"away: {away}; there: {before}",
        ),
        Figure(
            f"a tenth of a ten minutes' outage over draining its {waiting} events",
            bound / seconds,
            1.0,
            f"{seconds:.1f} s of {bound:.0f} s, at {EVENTS_A_SECOND} events a second",
        ),
    ], [f"after the outage the topic had every event of the logs, in order: {len(records)} records"]


async def _appended(store: Store, conversations: list[Conversation], events: int) -> _Load:
    """Append so many events, each in a unit of its own, to all conversations at once."""
    took: list[float] = []

    async def speak(talk: Conversation) -> None:
        for _ in range(events // len(conversations)):
            began = time.perf_counter()
            await say(store, talk, "a piece of an answer")
            took.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(speak, conversations))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return _Load(len(took) / seconds, statistics.median(took), used / len(took))
