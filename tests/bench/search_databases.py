"""Searches in 100,000 messages of one's own on both databases, and by relevance with the bound and without one.

The messages are those of `search`, indexed as those of before an update are; times are the shortest of several.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from server.adapters.feed.local import LocalFeed
from server.adapters.store import message_search, open_store
from server.adapters.store.sqlite.schema import migrate
from server.domain.message_query import read_query
from server.domain.message_search import MessageSearch, SearchOrder
from server.ports.store import Store
from tests.bench.figures import Figure, Report
from tests.bench.search import OWN, OWNER, PAGE, SEARCHES, fill, index
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer

ROUNDS: Final = 5
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
_RANKED: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    f"{name}, by relevance": (query, {"order": SearchOrder.RELEVANCE})
    for name, query in {"two common words": "word1 word2", "a common phrase": '"word1 word2"'}.items()
}
_ALL: Final = 10**9


def run() -> Report:
    """Measure the databases that can be had here."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_bench(Path(folder) / "parley.db"))


async def _bench(path: Path) -> Report:
    migrate(path, busy_timeout=timedelta(seconds=5))
    fill(path, [OWNER.user], OWN, seed=1)
    notes = [f"{OWN} messages of one user"]
    async with AsyncExitStack() as stack:
        opened = open_store(f"sqlite+aiosqlite:///{path}", feed=LocalFeed())
        stores = {SQLITE: await stack.enter_async_context(opened)}
        try:
            stores[POSTGRES] = await stack.enter_async_context(_on_postgres(path))
        except PostgresMissing as missing:
            notes.append(f"without PostgreSQL: {missing}")
        for name, store in stores.items():
            notes.append(f"{name} indexed them in {await index(store):.0f} s")
        figures = [
            await _figure(f"{database}: {name}", store, query, narrowed)
            for database, store in stores.items()
            for name, (query, narrowed) in {**SEARCHES, **_RANKED}.items()
        ]
    return Report("Searches in messages: time without a bound of what is ranked over time with it", figures, notes)


@asynccontextmanager
async def _on_postgres(path: Path) -> AsyncIterator[Store]:
    """A store with the messages of a file, on a server of its own. Raises `PostgresMissing`."""
    if find_spec("asyncpg") is None:
        raise PostgresMissing("asyncpg is not installed (extra `postgres`)")
    server = PostgresServer()
    server.start()
    try:
        server.create("bench")
        async with open_store(server.url("bench"), feed=LocalFeed()) as store:
            await _copy(path, server.superuser_dsn("bench"))
            yield store
    finally:
        server.stop()
        server.remove()


async def _copy(path: Path, dsn: str) -> None:
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    connection = await asyncpg.connect(dsn)
    try:
        with closing(sqlite3.connect(path)) as file:
            for table in ("conversations", "messages"):
                rows = file.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in rows.description]
                await connection.copy_records_to_table(table, records=rows.fetchall(), columns=names)
        await connection.execute("UPDATE message_index_state SET indexed = '', last = (SELECT max(id) FROM messages)")
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _figure(name: str, store: Store, query: str, narrowed: Mapping[str, Any]) -> Figure:
    search = MessageSearch(read_query(query), **narrowed)
    bounded, hits = await _shortest(store, search)
    if search.order is SearchOrder.NEWEST:
        return Figure(name, 1, None, f"{bounded:.1f} ms; {hits} hits")
    with patch.object(message_search, "MOST_RANKED", _ALL):
        unbounded, _ = await _shortest(store, search)
    return Figure(name, unbounded / bounded, None, f"{bounded:.1f} ms, {unbounded:.1f} ms without a bound; {hits} hits")


async def _shortest(store: Store, search: MessageSearch) -> tuple[float, int]:
    """Milliseconds, and how many hits a page has."""
    times, found = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = len(await store.read(OWNER, lambda tx: tx.message_index.find(search, limit=PAGE, after=None)))
        times.append(time.perf_counter() - began)
    return min(times) * 1000, found
