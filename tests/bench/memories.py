"""What a search costs among 100,000 memories of one user: the index alone, the whole use case, and the first search.

The bar is 20 ms for a search, as a ratio: 20 ms over what it takes. It is no assertion, and a busy machine misses it.
"""

import asyncio
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from server.adapters.feed.local import LocalFeed
from server.adapters.memory.hashing import HashingEmbedder
from server.adapters.memory.index import OwnerIndexes
from server.adapters.store import open_store
from server.adapters.store.sqlite.schema import migrate
from server.adapters.system import SystemClock, SystemIds
from server.application.memory_search import MemorySearch
from server.application.metering import Meter
from server.application.spending_rules import SpendingRules
from server.domain.ids import MemoryId
from server.domain.limits import Limits
from server.domain.memory import Memory
from server.domain.principal import Owner
from server.domain.usage import NO_CONVERSATION
from server.ports.store import Store, Transaction
from tests.bench.figures import Figure, Report

OWNER: Final = Owner("bench", "dev")
MEMORIES: Final = 100_000
VOCABULARY: Final = 8000
WORDS: Final = 12
SEARCHES: Final = 40
BAR_MS: Final = 20.0
_AT_ONCE: Final = 5000
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Spent(NamedTuple):
    """Milliseconds of the clock, and of processors, which a busy machine makes no longer."""

    time: float
    cpu: float

    @classmethod
    def so_far(cls) -> "Spent":
        """Since some moment."""
        return cls(time.perf_counter() * 1e3, time.process_time() * 1e3)

    def since(self, before: "Spent") -> "Spent":
        """What came since then."""
        return Spent(self.time - before.time, self.cpu - before.cpu)

    @classmethod
    def median(cls, several: list["Spent"]) -> "Spent":
        """The middle of both."""
        return cls(statistics.median(one.time for one in several), statistics.median(one.cpu for one in several))

    def __str__(self) -> str:
        return f"{self.time:.1f} ms, {self.cpu:.1f} ms CPU"


def run() -> Report:
    """Fill a file, search it."""
    with tempfile.TemporaryDirectory() as folder:
        first, warm, alone = asyncio.run(_measured(Path(folder) / "parley.db"))
    return Report(
        f"search among {MEMORIES} memories of a user",
        [
            Figure("20 ms : a search, store included", BAR_MS / warm.time, 1, f"{warm}, medians of {SEARCHES}"),
            Figure("20 ms : the index alone", BAR_MS / alone.time, None, f"{alone}, medians of {SEARCHES}"),
            Figure("the first search : a later one", first.time / warm.time, None, f"{first}: it reads all memories"),
        ],
    )


async def _measured(path: Path) -> tuple[Spent, Spent, Spent]:
    """The first search, later ones, the index alone."""
    texts = _texts()
    migrate(path, busy_timeout=timedelta(seconds=5))
    clock = SystemClock()
    embedder, indexes = HashingEmbedder(), OwnerIndexes(clock=clock)
    async with open_store(f"sqlite+aiosqlite:///{path}", feed=LocalFeed(limits=Limits())) as store:
        await _fill(store, embedder, texts)
        search = MemorySearch(store=store, embedder=embedder, indexes=indexes)
        meter = Meter(store=store, clock=clock, ids=SystemIds(), rules=SpendingRules())
        bill = meter.beside(OWNER, NO_CONVERSATION, lasts=timedelta(minutes=1))
        searches = []
        for wanted in [texts[0], *texts[:: MEMORIES // SEARCHES]]:
            before = Spent.so_far()
            best = (await search.find(OWNER, wanted, limit=10, bill=bill))[0]
            searches.append(Spent.so_far().since(before))
            if best.memory.text != wanted:
                raise RuntimeError("another memory was found")
        index, alone = indexes.of(OWNER), []
        for wanted in texts[:: MEMORIES // SEARCHES]:
            (vector,) = (await embedder.embed([wanted])).vectors
            before = Spent.so_far()
            index.search(wanted, vector, limit=10)
            alone.append(Spent.so_far().since(before))
    return searches[0], Spent.median(searches[1:]), Spent.median(alone)


def _texts() -> list[str]:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(VOCABULARY)]
    return [" ".join(chance.choices(words, k=WORDS)) for _ in range(MEMORIES)]


async def _fill(store: Store, embedder: HashingEmbedder, texts: list[str]) -> None:
    for begin in range(0, len(texts), _AT_ONCE):
        some = texts[begin : begin + _AT_ONCE]
        vectors = (await embedder.embed(some)).vectors

        async def unit(tx: Transaction) -> None:
            for number, (text, vector) in enumerate(zip(some, vectors, strict=True), begin):  # noqa: B023 - called now
                moment = _NOW + timedelta(seconds=number)
                await tx.memories.add(Memory(MemoryId(f"memory-{number}"), text, moment, moment), vector)

        await store.write(OWNER, unit)
