"""What the index of messages adds to an acknowledged send, in CPU time of this process and, for PostgreSQL, the server.

Stores take turns: one whose messages are not indexed, the service's own, and on SQLite one that writes the index in
every unit instead of once for all that are committed together.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager as Block
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import uvloop

from server.adapters.store import message_words
from server.adapters.store.sqlite import batch
from server.adapters.store.sqlite.executor import SqliteExecutor
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.store.sqlite.work import Work
from tests.bench.figures import Figure, Report
from tests.bench.senders import Sending, opened_sqlite, postgres_server, sending
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer

SENDERS: Final = 50
ROUNDS: Final = 8
NEITHER, EACH, OURS = "not indexed", "indexed by each unit", "indexed"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CPU_FIELDS: Final = slice(11, 13)
"""Of `/proc/<pid>/stat` behind the name: time in the program and in the kernel."""

Cpu = Callable[[], float]


def run() -> Report:
    """Measure both databases, if they can be had."""
    return uvloop.run(_bench())


async def _bench() -> Report:
    notes = [f"{SENDERS} senders; the cheapest of {ROUNDS} rounds counts"]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        names = (NEITHER, EACH, OURS)
        files = {name: await stack.enter_async_context(opened_sqlite(folder / f"{name}.db")) for name in names}
        figures = await _figures("SQLite", files, time.process_time)
        try:
            server, url = stack.enter_context(postgres_server())
        except PostgresMissing as missing:
            return Report(_TITLE, figures, [*notes, f"without PostgreSQL: {missing}"])
        one = await stack.enter_async_context(sending(url))
        figures += await _figures("PostgreSQL", {NEITHER: one, OURS: one}, _with_server(server))
    return Report(_TITLE, figures, notes)


_TITLE: Final = "The index of messages: CPU of a send that is not indexed over that of one that is"


async def _figures(database: str, stores: dict[str, Sending], cpu: Cpu) -> list[Figure]:
    used: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(ROUNDS):
        for name, store in stores.items():
            with _way(name):
                used[name].append(await _microseconds(store, cpu))
    best = {name: min(measured) for name, measured in used.items()}
    plain = best.pop(NEITHER)
    return [
        Figure(f"{database}, {name}", plain / each, None, f"{each:.0f} us against {plain:.0f}: {each - plain:+.0f} us")
        for name, each in best.items()
    ]


async def _microseconds(store: Sending, cpu: Cpu) -> float:
    await store.make_threads()
    before = cpu()
    sent = await store.sent(SENDERS)
    return (cpu() - before) / sent * 1e6


def _way(name: str) -> Block[Any]:
    if name == NEITHER:
        return patch.object(message_words, "words_of", lambda *_: None)
    return patch.object(batch, "_run", _run_and_index) if name == EACH else nullcontext()


def _run_and_index(
    connection: SearchingConnection,
    executor: SqliteExecutor,
    work: Work[Any],
    run: Callable[..., batch.Answer] = batch._run,
) -> batch.Answer:
    """A unit whose words are written to the index at once."""
    answer = run(connection, executor, work)
    connection.execute("SAVEPOINT indexed")
    batch._index_words(connection)
    connection.execute("RELEASE indexed")
    return answer


def _with_server(server: PostgresServer) -> Cpu:
    """Seconds of this process and of a server's processes."""

    def used() -> float:
        return time.process_time() + sum(_seconds(pid) for pid in _family(server.pid))

    return used


def _family(pid: int) -> Iterator[int]:
    yield pid
    yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _seconds(pid: int) -> float:
    behind_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, behind_name[_CPU_FIELDS])) / _TICKS
