"""The store for several processes: a PostgreSQL database, a transaction for each unit.

Units of one conversation meet at its row lock; those that nevertheless collide are run again. The server commits what
arrives together in one sync by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from server.adapters.store.postgres.attempts import (
    BEGIN_READ,
    BEGIN_WRITE,
    InDoubt,
    Undone,
    begin,
    commit,
    roll_back,
    run,
)
from server.adapters.store.postgres.doubt import EventEvidence, Evidence, NumberEvidence, find_out
from server.adapters.store.postgres.executor import PostgresExecutor
from server.adapters.store.postgres.news import NewsLine
from server.adapters.store.postgres.pool import Pool
from server.adapters.store.postgres.publication import Publication, Publisher
from server.adapters.store.system import StoredSystem
from server.adapters.store.transaction import OwnedTransaction
from server.domain.errors import StoreUnavailable
from server.domain.principal import Owner
from server.failpoint import failpoint
from server.ports.feed import Feed
from server.ports.peers import Peers
from server.ports.store import SystemTransaction, Transaction

Result = TypeVar("Result")
_Unit = Callable[[PostgresExecutor, Publication], Awaitable[Result]]

_PAUSES: Final = (0.0, 0.005, 0.02, 0.08, 0.3, 1.0)
"""Seconds before each attempt at a unit that was undone."""


class PostgresStore:
    """See `ports.store.Store`. Belongs to the event loop on which it is entered with `async with`.

    The database must have the current schema (`open_store` sees to that). `patience` is how long a unit waits for a
    connection, or at a lock, before it fails with `StoreUnavailable`. `peers` hears of what other stores with
    `peers` do on the same database.
    """

    def __init__(
        self,
        dsn: str,
        *,
        feed: Feed,
        peers: Peers | None = None,
        patience: timedelta = timedelta(seconds=5),
        connections: int = 16,
    ) -> None:
        self._pool = Pool(dsn, size=connections, patience=patience)
        self._publisher = Publisher(feed)
        self._patience = patience.total_seconds()
        self._news = None if peers is None else NewsLine(dsn, peers=peers, patience=self._patience)
        self._attempts: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        if self._news is not None:
            await self._news.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=2 * self._patience)
        if self._news is not None:
            await self._news.__aexit__(kind, error, trace)
        await self._pool.__aexit__(kind, error, trace)

    async def read(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit that only reads."""
        return await self._repeated(
            lambda connection: self._read(connection, lambda executor: work(_owned(executor, owner)), owner)
        )

    async def write(self, owner: Owner, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """Run a unit of work and commit it."""

        def unit(executor: PostgresExecutor, publication: Publication) -> Awaitable[Result]:
            return work(OwnedTransaction(executor, owner, publication.add))

        return await self._repeated(lambda connection: self._write(connection, unit, owner))

    async def read_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself that only reads."""
        return await self._repeated(
            lambda connection: self._read(connection, lambda executor: work(StoredSystem(executor)), None)
        )

    async def write_system(self, work: Callable[[SystemTransaction], Awaitable[Result]]) -> Result:
        """Run a unit of the service itself and commit it."""
        system: StoredSystem | None = None

        async def unit(executor: PostgresExecutor, _: Publication) -> Result:
            nonlocal system
            system = StoredSystem(executor)
            return await work(system)

        result = await self._repeated(lambda connection: self._write(connection, unit, None))
        if system is not None and self._news is not None:
            self._tell(system, self._news)
        return result

    async def scrub(self) -> None:
        """What is deleted stays in the files of the database until it has been vacuumed, which is for the database and
        who operates it: autovacuum, or VACUUM."""

    def _tell(self, system: StoredSystem, news: NewsLine) -> None:
        if system.leaves_work:
            news.tell_work()
        if system.gone:
            news.tell_gone(system.gone)

    async def _repeated(self, attempt: Callable[[Any], Coroutine[Any, Any, Result]]) -> Result:
        """Attempt until it is not undone. An attempt that has begun comes to its end though its caller is cancelled."""
        undone: Undone | None = None
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            task = asyncio.get_running_loop().create_task(attempt(await self._pool.borrow()))
            self._attempts.add(task)
            task.add_done_callback(self._ended)
            try:
                return await asyncio.shield(task)
            except Undone as again:
                if undone is not None and undone.is_refusal and again.is_refusal:
                    raise again.verdict from again
                undone = again
        raise StoreUnavailable from undone

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._attempts.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, in case that its caller has gone

    async def _read(
        self, connection: Any, work: Callable[[PostgresExecutor], Awaitable[Result]], owner: Owner | None
    ) -> Result:
        try:
            result = await run(connection, begin(BEGIN_READ, owner), PostgresExecutor(connection, reading=True), work)
            await roll_back(connection)
            return result
        finally:
            await self._pool.give_back(connection)

    async def _write(self, connection: Any, unit: _Unit[Result], owner: Owner | None) -> Result:
        publication = self._publisher.publication()
        try:
            result, evidence = await self._run(connection, unit, publication, owner)
            if publication.events:
                failpoint("store.committing")
            await self._commit(connection, evidence, publication)
            if publication.events:
                failpoint("store.unpublished")
                if self._news is not None:
                    self._news.tell_events(publication.all)
        except BaseException:
            publication.void()
            raise
        finally:
            await self._pool.give_back(connection)
        await publication.committed()
        return result

    async def _run(
        self, connection: Any, unit: _Unit[Result], publication: Publication, owner: Owner | None
    ) -> tuple[Result, Evidence]:
        async def work(executor: PostgresExecutor) -> tuple[Result, Evidence]:
            result = await unit(executor, publication)
            first = publication.first
            if first is not None and owner is not None:
                return result, EventEvidence(owner, first)
            return result, NumberEvidence(await executor.number())

        return await run(connection, begin(BEGIN_WRITE, owner), PostgresExecutor(connection), work)

    async def _commit(self, connection: Any, evidence: Evidence, publication: Publication) -> None:
        try:
            await commit(connection)
        except InDoubt as doubt:
            committed = await find_out(self._pool, evidence, patience=self._patience)
            if committed is None:
                publication.unknown()
                raise StoreUnavailable(
                    "the store was lost while the call was being committed; whether it was stored is not known yet"
                ) from doubt
            if not committed:
                raise Undone(doubt.error) from doubt


def _owned(executor: PostgresExecutor, owner: Owner) -> OwnedTransaction:
    return OwnedTransaction(executor, owner, lambda _: None)
