"""What a search of the archive costs beside a million conversations of others, and among many of one's own.

The rows are made by SQL in files of the bench's own; a search reads what the use case does, conversations and messages.
What counts are the ratios: of the times of the same search in a small file and in a large one.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.archive import Shape, search_statement
from server.adapters.store.dialects import SQLITE
from server.adapters.store.sqlite.schema import migrate
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.search import Effort, Field, Search
from server.domain.search_terms import read_search
from server.ports.store import Store, Transaction
from tests.bench.figures import Figure, Report

OWNER = Owner("bench", "dev")
OWN = 1_000
MANY = 100_000
OTHERS = 1_000_000
OTHER_OWNERS = 1_000
"""Half of them colleagues: of the same tenant."""
PAGE = 20
ROUNDS = 40
BAR = 0.7
"""Of the time without the others over the time with them; 1 would be no difference at all."""

_MOST_BYTES = 10**7
_START = 1_735_689_600_000_000
_HOUR = 3_600_000_000
# A conversation every hour, every tenth by another model; ids are spread as random ones are.
_CONVERSATIONS = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)
INSERT INTO conversations (id, tenant, owner, key, name, archived, settings, generation, context_management,
                           created_at, updated_at, last_position, last_ticket, last_sequence, model)
SELECT lower(hex(randomblob(16))), iif(n % :owners % 2, :tenant, :tenant || (n % :owners)), :owner || (n % :owners),
       hex(randomblob(8)), 'Conversation ' || n, 0, '{}', '{}', '{}',
       :start + n * :hour, :start + n * :hour, 2, 0, 0, iif(n % 10, 'gpt-4o', 'other')
FROM numbers
"""
_OWN = """
UPDATE conversations SET tenant = :tenant, owner = :owner WHERE owner = :owner || '0'
"""
_MESSAGES = """
INSERT INTO messages (id, tenant, owner, conversation_id, role, content, created_at, status, position)
SELECT lower(hex(randomblob(16))), tenant, owner, id, iif(n, 'user', 'assistant'), 'A few words of a message.',
       created_at, 'COMPLETE', n + 1
FROM conversations, (SELECT 0 AS n UNION SELECT 1)
WHERE tenant = :tenant AND owner = :owner
"""
_SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "the first page by updated.timestamp": {"sort_key": "updated.timestamp", "descending": True},
    "a filter by model, by updated.timestamp": {
        "filters": [("model", "==", "other")],
        "sort_key": "updated.timestamp",
        "descending": True,
    },
    "a filter by time, in the default order": {"filters": [("created.timestamp", ">", (_START + 500 * _HOUR) // 1000)]},
    "a filter by name, sorted by name": {"filters": [("name", ">=", "Conversation 5")], "sort_key": "name"},
}


class Files(NamedTuple):
    """The databases that are compared."""

    small: Path
    beside_others: Path
    many: Path


def run() -> Report:
    """Make the databases and search them."""
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder))
        small, beside, many = asyncio.run(_measured(files))
        figures = [
            _figure(f"{name}: without and with {OTHERS:,} of others", small[name], beside[name]) for name in _SEARCHES
        ]
        first = next(iter(_SEARCHES))
        figures.append(_figure(f"{first}: among {OWN:,} and {MANY:,} of one's own", small[first], many[first]))
        regex = asyncio.run(_regex_seconds(files.many))
        notes = [f"plan: {detail}" for detail in first_page_plan(files.many)]
        notes.append(f"a regex that is found nowhere looks through {MANY - 1:,} names in {regex * 1000:.0f} ms")
    return Report(f"archive: {PAGE} conversations of {OWN:,}, with their messages", figures, notes)


def first_page_plan(file: Path) -> list[str]:
    """How SQLite finds the first page by `updated.timestamp`."""
    sql, _ = search_statement(Shape((), Field.UPDATED_AT, descending=True)).compiled(SQLITE)
    with closing(sqlite3.connect(file)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?"))]


def _files(folder: Path) -> Files:
    made = {"small": (OWN, 0), "beside_others": (OWN, OTHERS), "many": (MANY, 0)}
    return Files(*(_file(folder / f"{name}.db", own, others) for name, (own, others) in made.items()))


def _file(path: Path, own: int, others: int) -> Path:
    migrate(path, busy_timeout=timedelta(seconds=5))
    names = {"tenant": OWNER.tenant, "owner": OWNER.user, "start": _START, "hour": _HOUR}
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_CONVERSATIONS, {**names, "count": own, "owners": 1})
        connection.execute(_OWN, names)
        if others:
            connection.execute(_CONVERSATIONS, {**names, "owner": "other", "count": others, "owners": OTHER_OWNERS})
        connection.execute(_MESSAGES, names)
    return path


async def _measured(files: Files) -> Sequence[Mapping[str, float]]:
    """The best time of each search in each file, in seconds. Rounds take turns, for a busy machine slows some."""
    best: list[dict[str, float]] = [{} for _ in files]
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(_opened(file)) for file in files]
        for _ in range(ROUNDS):
            for store, times in zip(stores, best, strict=True):
                for name, terms in _SEARCHES.items():
                    took = await _seconds(store, read_search(effort=Effort(), start=0, end=PAGE, **terms))
                    times[name] = min(took, times.get(name, took))
    return best


def _opened(file: Path) -> Any:
    return open_store(f"sqlite+aiosqlite:///{file}", feed=LocalFeed(limits=Limits()))


async def _seconds(store: Store, search: Search) -> float:
    async def unit(tx: Transaction) -> int:
        found = await tx.archive.find(search, most=PAGE)
        histories = await tx.archive.histories([each.id for each in found], most_bytes=_MOST_BYTES)
        return sum(map(len, histories.values()))

    began = time.perf_counter()
    messages = await store.read(OWNER, unit)
    took = time.perf_counter() - began
    if messages != 2 * PAGE:
        raise RuntimeError(f"{messages} messages instead of {2 * PAGE}")
    return took


async def _regex_seconds(file: Path) -> float:
    search = read_search(filters=[("name", "regex", "no such name"), ("model", "!=", "none")], effort=Effort())
    async with _opened(file) as store:
        began = time.perf_counter()
        found = await store.read(OWNER, lambda tx: tx.archive.find(search, most=PAGE))
    if found:
        raise RuntimeError("the pattern was found")
    return time.perf_counter() - began


def _figure(name: str, small: float, large: float) -> Figure:
    return Figure(name, small / large, BAR, f"{small * 1e6:.0f} and {large * 1e6:.0f} us")
