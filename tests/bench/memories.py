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
from typing import Final

from server.adapters.feed.local import LocalFeed
from server.adapters.memory.hashing import HashingEmbedder
from server.adapters.memory.index import OwnerIndexes
from server.adapters.store import open_store
from server.adapters.store.sqlite.schema import migrate
from server.adapters.system import SystemClock
from server.application.memory_search import MemorySearch
from server.domain.ids import MemoryId
from server.domain.limits import Limits
from server.domain.memory import Memory
from server.domain.principal import Owner
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


def run() -> Report:
    """Fill a file, search it."""
    with tempfile.TemporaryDirectory() as folder:
        first, warm, alone = asyncio.run(_measured(Path(folder) / "parley.db"))
    return Report(
        f"search among {MEMORIES} memories of a user",
        [
            Figure("20 ms : a search, store included", BAR_MS / warm, 1, f"{warm:.1f} ms, median of {SEARCHES}"),
            Figure("20 ms : the index alone", BAR_MS / alone, None, f"{alone:.1f} ms, median of {SEARCHES}"),
            Figure("the first search : a later one", first / warm, None, f"{first:.0f} ms: it reads all memories"),
        ],
    )


async def _measured(path: Path) -> tuple[float, float, float]:
    """Milliseconds: of the first search, of later ones, of the index alone."""
    texts = _texts()
    migrate(path, busy_timeout=timedelta(seconds=5))
    embedder, indexes = HashingEmbedder(), OwnerIndexes(clock=SystemClock())
    async with open_store(f"sqlite+aiosqlite:///{path}", feed=LocalFeed(limits=Limits())) as store:
        await _fill(store, embedder, texts)
        search = MemorySearch(store=store, embedder=embedder, indexes=indexes)
        times = []
        for wanted in [texts[0], *texts[:: MEMORIES // SEARCHES]]:
            began = time.perf_counter()
            best = (await search.find(OWNER, wanted, limit=10))[0]
            times.append((time.perf_counter() - began) * 1e3)
            if best.memory.text != wanted:
                raise RuntimeError("another memory was found")
        index, alone = indexes.of(OWNER), []
        for wanted in texts[:: MEMORIES // SEARCHES]:
            (vector,) = await embedder.embed([wanted])
            began = time.perf_counter()
            index.search(wanted, vector, limit=10)
            alone.append((time.perf_counter() - began) * 1e3)
    return times[0], statistics.median(times[1:]), statistics.median(alone)


def _texts() -> list[str]:
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(VOCABULARY)]
    return [" ".join(chance.choices(words, k=WORDS)) for _ in range(MEMORIES)]


async def _fill(store: Store, embedder: HashingEmbedder, texts: list[str]) -> None:
    for begin in range(0, len(texts), _AT_ONCE):
        some = texts[begin : begin + _AT_ONCE]
        vectors = await embedder.embed(some)

        async def unit(tx: Transaction) -> None:
            for number, (text, vector) in enumerate(zip(some, vectors, strict=True), begin):  # noqa: B023 - called now
                moment = _NOW + timedelta(seconds=number)
                await tx.memories.add(Memory(MemoryId(f"memory-{number}"), text, moment, moment), vector)

        await store.write(OWNER, unit)
