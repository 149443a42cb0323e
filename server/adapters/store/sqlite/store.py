"""The embedded store: one SQLite file, one writer that commits in groups, short reads at once and a few readers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from server.adapters.store.sqlite.batch import BatchCommitter
from server.adapters.store.sqlite.brief import BriefReader, NotBrief
from server.adapters.store.sqlite.connection import connect, empty_journal
from server.adapters.store.sqlite.readers import Readers
from server.adapters.store.sqlite.switching import quick_turns
from server.adapters.store.sqlite.work import Result, Work, owned_work, system_work
from server.adapters.store.sqlite.writer import Writer
from server.domain.principal import Owner
from server.ports.feed import Feed
from server.ports.store import SystemTransaction, Transaction


class SqliteStore:
    """See `ports.store.Store`. Belongs to the event loop on which it is entered with `async with`.

    The file must have the current schema (`open_store` sees to that). `busy_timeout` is how long a batch waits for a
    lock that another process holds; then its units fail with `StoreUnavailable`, as do units beyond `capacity`. `brief`
    is how long a read may keep the event loop; one that takes longer is begun again by one of the `readers`.
    """

    def __init__(
        self,
        path: Path,
        *,
        feed: Feed,
        busy_timeout: timedelta = timedelta(seconds=5),
        brief: timedelta = timedelta(milliseconds=2),
        readers: int = 4,
        capacity: int = 4096,
        batch_limit: int = 256,
    ) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._writer = Writer(
            BatchCommitter(partial(connect, path, busy_timeout=busy_timeout)),
            publish=feed.publish,
            capacity=capacity,
            batch_limit=batch_limit,
        )
        self._opened = AsyncExitStack()
        reading = partial(connect, path, busy_timeout=busy_timeout, read_only=True)
        self._brief = BriefReader(reading, limit=brief)
        self._readers = Readers(reading, size=readers, patience=busy_timeout)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            opening.enter_context(quick_turns())
            # The writer's connection goes last: as it closes, SQLite empties the journal into the file.
            opening.push_async_callback(self._writer.close)
            await self._writer.open()
            opening.push_async_callback(self._readers.close)
            await self._readers.open()
            opening.push_async_callback(self._brief.close)
            await self._brief.open()
            self._opened = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def read(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit that only reads."""
        return await self._read(owned_work(owner, work))

    async def write(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit of work and commit it."""
        return await self._writer.write(owned_work(owner, work))

    async def read_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself that only reads."""
        return await self._read(system_work(work))

    async def write_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself and commit it."""
        return await self._writer.write(system_work(work))

    async def scrub(self) -> None:
        """Empty the journal into the file. What is deleted from the file is overwritten there as it is deleted."""
        await asyncio.to_thread(empty_journal, self._path, busy_timeout=self._busy_timeout)

    async def _read(self, work: Work[Result]) -> Result:
        await self._brief.turn()
        try:
            return self._brief.read(work)
        except NotBrief:
            return await self._readers.read(work)
