"""Acknowledged sends a second: how many a store takes from 1, 10 and 50 senders, and what durability costs.

SQLite syncs every commit (FULL, what the service uses) or none of them (NORMAL: a power cut may take acknowledged
messages with it). PostgreSQL syncs, too.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite import SqliteStore
from tests.bench.figures import Figure, Report
from tests.bench.store import Rate, measured_rate, send, talks_in
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer

SENDERS = (1, 10, 50)
ROUNDS = 3

Rates = dict[int, float]


def run() -> Report:
    """Measure the three, and compare them with SQLite under FULL."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        full = asyncio.run(_best(f"sqlite+aiosqlite:///{name}/full.db", syncs=True))
        rates = {"SQLite, NORMAL": asyncio.run(_best(f"sqlite+aiosqlite:///{name}/normal.db", syncs=False))}
    try:
        with _postgres() as url:
            rates["PostgreSQL"] = asyncio.run(_best(url, syncs=True))
    except PostgresMissing as missing:
        notes.append(str(missing))
    figures = [
        Figure(f"SQLite, FULL, {senders} senders over 1", rate / full[1], None, f"{rate:.0f} a second")
        for senders, rate in full.items()
    ]
    figures += [
        Figure(f"{name}, {senders} senders, over SQLite, FULL", rate / full[senders], None, f"{rate:.0f} a second")
        for name, measured in rates.items()
        for senders, rate in measured.items()
    ]
    return Report("Acknowledged sends a second", figures, notes)


async def _best(url: str, *, syncs: bool) -> Rates:
    best: Rates = dict.fromkeys(SENDERS, 0.0)
    async with open_store(url, feed=LocalFeed()) as store:
        if not syncs:
            assert isinstance(store, SqliteStore)
            writing = store._writer._committer._connection
            assert writing is not None
            writing.execute("PRAGMA synchronous = NORMAL")
        talks = await talks_in(store, max(SENDERS))
        for _ in range(ROUNDS):
            for senders in SENDERS:
                rate: Rate = await measured_rate(senders, lambda number: send(store, talks[number]))
                best[senders] = max(best[senders], rate.per_second)
    return best


@contextmanager
def _postgres() -> Iterator[str]:
    """A server that syncs as one in use does. Raises `PostgresMissing`."""
    server = PostgresServer(syncs=True)
    server.start()
    try:
        server.execute("CREATE DATABASE bench")
        yield server.url("bench")
    finally:
        server.stop("immediate")
        server.remove()
