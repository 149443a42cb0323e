"""Short reads on the event loop's own thread: the way to another and back costs more than most of them do.

Finding a thread takes 16 us here, and 34 by way of a reader's thread when nothing else is to do (`tests/bench`). Of a
whole call on a busy machine it is a third: that thread has to be woken, and the two take turns at the interpreter.
"""

import asyncio
import math
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Final

from server.adapters.store.sqlite.connection import is_broken
from server.adapters.store.sqlite.executor import SqliteExecutor
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.store.sqlite.work import Result, Work

# How often a statement looks at the clock, in steps of SQLite's virtual machine: every 50 to 100 us.
_STEPS: Final = 1000
_LONG_TURN_SECONDS: Final = 0.005


class NotBrief(Exception):
    """The unit is to be run where it may take its time."""


class BriefReader:
    """A connection for units that are over within `limit`. It waits for no lock.

    A unit that does not get through is broken off, for a thread to run it from its beginning: it has had no effect.
    What is bounded is SQLite's time, and how often it asks the disk; a single page that is not in memory is awaited.
    """

    def __init__(self, connect: Callable[[], SearchingConnection], *, limit: timedelta) -> None:
        self._connect = connect
        self._connection: SearchingConnection | None = None
        self._limit = limit.total_seconds()
        self._deadline = math.inf
        self._turn_began: float | None = None

    async def open(self) -> None:
        """Connect."""
        connection = await asyncio.to_thread(self._connect)
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_progress_handler(self._is_late, _STEPS)
        self._connection = connection

    async def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def read(self, work: Work[Result]) -> Result:
        """Run a unit that only reads, in a transaction that sees one moment. Raises what it raises, or `NotBrief`."""
        connection = self._connection
        if connection is None:
            raise NotBrief
        executor = SqliteExecutor(connection, reading=True)
        try:
            return self._run(connection, executor, work)
        except sqlite3.Error as error:
            if is_broken(error):
                raise NotBrief from error
            raise
        except Exception as error:
            # What a unit makes of a statement that was broken off is not its answer.
            if executor.failure is not None:
                raise NotBrief from error
            raise

    async def turn(self) -> None:
        """Let others have their turn of the loop, when this one has been long: a task that does nothing but read would
        never be interrupted otherwise, for no read makes it wait."""
        now = monotonic()
        if self._turn_began is None:
            self._turn_began = now
            asyncio.get_running_loop().call_soon(self._end_turn)
        elif now - self._turn_began > _LONG_TURN_SECONDS:
            await asyncio.sleep(0)

    def _end_turn(self) -> None:
        self._turn_began = None

    def _run(self, connection: SearchingConnection, executor: SqliteExecutor, work: Work[Result]) -> Result:
        connection.execute("BEGIN")
        self._deadline = monotonic() + self._limit
        try:
            result = work(executor).result
        finally:
            self._deadline = math.inf
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if executor.failure is not None:
            raise NotBrief
        return result

    def _is_late(self) -> bool:
        return monotonic() > self._deadline
