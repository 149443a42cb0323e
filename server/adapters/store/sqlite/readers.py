"""A small pool of connections that read, each on a thread of its own, beside each other and beside the writer."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import aiosqlite

from server.adapters.store.sqlite.connection import is_broken, unavailable
from server.adapters.store.sqlite.executor import SqliteExecutor
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.store.sqlite.work import Result, Work
from server.domain.errors import StoreUnavailable

T = TypeVar("T")


class ReadConnection(aiosqlite.Connection):
    """A connection whose thread runs whole units: a hop there and back costs more than most units do."""

    def __init__(self, connect: Callable[[], SearchingConnection]) -> None:
        super().__init__(connect, iter_chunk_size=64)

    async def run(self, work: Work[Result]) -> Result:
        """Run a unit in a transaction that sees one moment and leaves nothing behind."""
        result: Result = await self._execute(_read, self._conn, work)  # type: ignore[no-untyped-call]
        return result


class Readers:
    """Lends each unit a connection. A unit waits at most `patience` for one, then the store is unavailable."""

    def __init__(self, connect: Callable[[], SearchingConnection], *, size: int, patience: timedelta) -> None:
        self._connect = connect
        self._size = size
        self._patience = patience.total_seconds()
        self._connections: list[ReadConnection] = []
        # The connection used last comes first: its pages are in its cache.
        self._idle: asyncio.LifoQueue[ReadConnection] = asyncio.LifoQueue()

    async def open(self) -> None:
        """Connect."""
        for _ in range(self._size):
            connection = ReadConnection(self._connect)
            await connection
            self._connections.append(connection)
            self._idle.put_nowait(connection)

    async def close(self) -> None:
        """Disconnect, after what is under way."""
        connections, self._connections = self._connections, []
        self._idle = asyncio.LifoQueue()
        for connection in connections:
            await connection.close()

    async def read(self, work: Work[Result]) -> Result:
        """Run a unit that only reads. Raises what it raises, `ReadUnitWrote`, or `StoreUnavailable`."""
        if not self._connections:
            raise StoreUnavailable
        connection = await self._lent()
        try:
            return await connection.run(work)
        finally:
            # A cancelled unit is still being run by the thread; the next one waits there until it is over.
            self._idle.put_nowait(connection)

    async def _lent(self) -> ReadConnection:
        if not self._idle.empty():
            return self._idle.get_nowait()
        try:
            async with asyncio.timeout(self._patience):
                return await self._idle.get()
        except TimeoutError:
            raise StoreUnavailable from None


def _read(connection: SearchingConnection, work: Work[Result]) -> Result:
    try:
        connection.execute("BEGIN")
        try:
            return work(SqliteExecutor(connection, reading=True)).result
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if is_broken(error):
            raise unavailable(error) from error
        raise
