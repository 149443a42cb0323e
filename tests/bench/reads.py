"""What a read of the embedded store costs on the event loop, and by way of a reader's thread: CPU of the process.

Both run the same units on one file, in turns; the figures are the best of the rounds.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite.brief import BriefReader
from server.adapters.store.sqlite.connection import connect
from server.adapters.store.sqlite.readers import Readers
from server.adapters.store.sqlite.work import owned_work
from server.cli.development_key import OWNER
from server.ports.store import Transaction
from tests.bench.figures import Figure, Report
from tests.bench.rig.process import one_core
from tests.bench.rig.workload import LONG_THREAD, SHORT_THREAD, fill

ROUNDS = 40
READS = 50
_PATIENCE = timedelta(seconds=5)


async def _thread(tx: Transaction) -> object:
    return await tx.conversations.summary(SHORT_THREAD)


async def _history(tx: Transaction) -> object:
    conversation = await tx.conversations.get(LONG_THREAD)
    assert conversation is not None
    return await tx.messages.history(conversation.id)


def run() -> Report:
    """Measure a short read, and one of a history."""
    with one_core(), TemporaryDirectory() as folder:
        figures = uvloop.run(_figures(Path(folder) / "parley.db"))
    return Report("A read of the embedded store on the event loop against a reader's thread: CPU", figures)


async def _figures(database: Path) -> list[Figure]:
    async with open_store(f"sqlite+aiosqlite:///{database}", feed=LocalFeed()):
        await fill(database)
    connected = partial(connect, database, busy_timeout=_PATIENCE, read_only=True)
    brief, readers = BriefReader(connected, limit=_PATIENCE), Readers(connected, size=1, patience=_PATIENCE)
    async with AsyncExitStack() as stack:
        for each in (brief, readers):
            stack.push_async_callback(each.close)
            await each.open()
        return [
            await _figure("find a thread", brief, readers, _thread),
            await _figure("a history of 122 messages", brief, readers, _history),
        ]


async def _figure(
    name: str, brief: BriefReader, readers: Readers, unit: Callable[[Transaction], Awaitable[object]]
) -> Figure:
    work = owned_work(OWNER, unit)

    async def here() -> None:
        brief.read(work)

    async def there() -> None:
        await readers.read(work)

    rounds = [(await _microseconds(here), await _microseconds(there)) for _ in range(ROUNDS)]
    ours, theirs = map(min, zip(*rounds, strict=True))
    return Figure(name, theirs / ours, detail=f"{ours:.1f} us on the loop, {theirs:.1f} us by way of a thread")


async def _microseconds(read: Callable[[], Awaitable[None]]) -> float:
    before = time.process_time()
    for _ in range(READS):
        await read()
    return (time.process_time() - before) / READS * 1e6
