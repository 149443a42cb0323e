"""Searches in 100,000 messages of one's own, alone and beside a million of others, and what indexing older ones takes.

The messages are made by SQL in files of the bench's own and indexed as those of before an update are. What counts are
the ratios: of the times of the same search without the others and with them. Words are as frequent as in a language:
the n-th has a share of 1/n.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite.schema import migrate
from server.domain.message import Role
from server.domain.message_query import read_query
from server.domain.message_search import MessageSearch, SearchOrder
from server.domain.principal import Owner
from server.ports.store import Store
from tests.bench.figures import Figure, Report

OWNER: Final = Owner("bench", "dev")
OWN: Final = 100_000
OTHERS: Final = 1_000_000
OTHER_OWNERS: Final = 1_000
PAGE: Final = 21
ROUNDS: Final = 30
BAR: Final = 0.7
"""Of the time without the others over the time with them; 1 would be no difference at all."""

_WORDS: Final = 20
_VOCABULARY: Final = 20_000
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BATCH: Final = 1000
_CONVERSATION = """
INSERT INTO conversations (id, tenant, owner, key, name, archived, settings, generation, context_management,
                           created_at, updated_at, last_position, last_ticket, last_sequence)
VALUES (:id, 'bench', :owner, 'talk', 'Talk', 0, '{}', '{}', '{}', 0, 0, 0, 0, 0)
"""
_MESSAGE = """
INSERT INTO messages (id, tenant, owner, conversation_id, role, content, created_at, status, position)
VALUES (?, 'bench', ?, ?, ?, ?, ?, 'COMPLETE', ?)
"""
SEARCHES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "a word that every third message has": ("word1", {}),
    "a rare word": ("word9000", {}),
    "two words": ("word40 word90", {}),
    "a phrase": ('"word1 word2"', {}),
    "a beginning": ("word12*", {}),
    "a common word of a day long ago": ("word1", {"until": _START + timedelta(days=1)}),
    "a common word, by a role that never says it": ("word1", {"roles": frozenset({Role.TOOL})}),
    "a word of every hundredth message, by relevance": ("word150", {"order": SearchOrder.RELEVANCE}),
    "a common word, by relevance": ("word1", {"order": SearchOrder.RELEVANCE}),
}


def run() -> Report:
    """Measure searches in both files."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_bench(Path(folder)))


async def _bench(folder: Path) -> Report:
    alone, beside = folder / "alone.db", folder / "beside.db"
    migrate(alone, busy_timeout=timedelta(seconds=5))
    fill(alone, [OWNER.user], OWN, seed=1)
    await _index(alone)
    shutil.copy(alone, beside)
    fill(beside, [f"other {number}" for number in range(OTHER_OWNERS)], OTHERS, seed=2)
    seconds = await _index(beside)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(_opened(path)) for path in (alone, beside)]
        figures = [await _figure(name, stores, *search) for name, search in SEARCHES.items()]
    sizes = f"{OWN} messages of one's own, {OTHERS} of {OTHER_OWNERS} others"
    rate = f"{OTHERS} older messages were indexed in {seconds:.0f} s, {OTHERS / seconds:.0f} a second, without pauses"
    return Report(f"Searches in messages: time without others over time beside them ({sizes})", figures, [rate])


def _opened(path: Path) -> Any:
    # Of a search that takes longer than a turn of the loop may be, the time of the attempt there counts, too.
    return open_store(f"sqlite+aiosqlite:///{path}", feed=LocalFeed())


def fill(path: Path, owners: list[str], count: int, *, seed: int) -> None:
    """Store so many messages of the owners in turns, a minute apart, that are not indexed yet."""
    chance = random.Random(seed)
    words = [f"word{number}" for number in range(1, _VOCABULARY + 1)]
    weights = list(accumulate(1 / number for number in range(1, _VOCABULARY + 1)))
    start = int(_START.timestamp() * 1_000_000)
    with closing(sqlite3.connect(path)) as connection:
        (before,) = connection.execute("SELECT coalesce(max(id), '') FROM messages").fetchone()
        for owner in owners:
            connection.execute(_CONVERSATION, {"id": f"talk of {owner}", "owner": owner})
        for first in range(0, count, _BATCH):
            rows = []
            for number in range(first, min(first + _BATCH, count)):
                owner = owners[number % len(owners)]
                text = " ".join(chance.choices(words, cum_weights=weights, k=_WORDS))
                role = "assistant" if number % 2 else "user"
                row = (f"{seed}-{number:09}", owner, f"talk of {owner}", role, text, start + number * 60_000_000)
                rows.append((*row, number + 1))
            connection.executemany(_MESSAGE, rows)
        connection.execute(
            "UPDATE message_index_state SET indexed = ?, last = (SELECT max(id) FROM messages)", (before,)
        )
        connection.commit()


async def index(store: Store) -> float:
    """Index what is not indexed; returns seconds."""
    began = time.perf_counter()
    while await store.write_system(lambda tx: tx.index_older(limit=64)):
        pass
    return time.perf_counter() - began


async def _index(path: Path) -> float:
    async with _opened(path) as store:
        return await index(store)


async def _figure(name: str, stores: list[Store], query: str, narrowed: Mapping[str, Any]) -> Figure:
    search = MessageSearch(read_query(query), **narrowed)
    times: list[list[float]] = [[] for _ in stores]
    found = 0
    for _ in range(ROUNDS):
        for store, measured in zip(stores, times, strict=True):
            began = time.perf_counter()
            hits = await store.read(OWNER, lambda tx: tx.message_index.find(search, limit=PAGE, after=None))
            measured.append(time.perf_counter() - began)
            found = len(hits)
    alone, beside = (min(measured) * 1000 for measured in times)
    return Figure(name, alone / beside, BAR, f"{alone:.2f} ms alone, {beside:.2f} ms beside others; {found} hits")
