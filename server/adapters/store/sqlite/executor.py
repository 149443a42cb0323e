"""Executes statements on a `sqlite3` connection, in the thread that drives the unit."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.engine import Dialect

from server.adapters.store.dialects import SQLITE
from server.adapters.store.effort import EffortMeter
from server.adapters.store.errors import ReadUnitWrote, RowRefused
from server.adapters.store.executor import Row
from server.adapters.store.sqlite.connection import is_broken, primary_code, unavailable
from server.adapters.store.sqlite.patterns import SearchingConnection
from server.adapters.store.statement import Parameters, Statement

_BEGAN: Final = (time.time_ns() - time.monotonic_ns()) // 1000


class SqliteExecutor:
    """See `store.executor.Executor`. Its awaits complete at once.

    `failure` is the first error of the file or the machine, `refused` what a constraint refused. The unit hears of
    both; whoever commits looks here too, for the unit may have caught them.
    """

    __slots__ = ("_connection", "_is_reading", "failure", "refused")

    def __init__(self, connection: SearchingConnection, *, reading: bool = False) -> None:
        self._connection = connection
        self._is_reading = reading
        self.failure: sqlite3.Error | None = None
        self.refused: RowRefused | None = None

    @property
    def dialect(self) -> Dialect:
        """That of this driver."""
        return SQLITE

    async def fetch(self, statement: Statement, parameters: Parameters) -> Sequence[Row]:
        """Execute; returns all rows."""
        sql, arguments = statement.compiled(SQLITE)
        try:
            return self._connection.execute(sql, arguments(parameters)).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error

    async def execute_many(self, statement: Statement, parameters: Sequence[Parameters]) -> None:
        """Execute once for each set of parameters."""
        sql, arguments = statement.compiled(SQLITE)
        try:
            self._connection.executemany(sql, map(arguments, parameters))
        except sqlite3.Error as error:
            raise self._translated(error) from error

    async def open(self, statement: Statement, parameters: Parameters) -> "SqliteCursor":
        """Execute; the rows are read as they are taken."""
        sql, arguments = statement.compiled(SQLITE)
        try:
            return SqliteCursor(self._connection.execute(sql, arguments(parameters)), self._translated)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def measure_patterns(self, meter: EffortMeter) -> bool:
        """Every connection has the function."""
        self._connection.patterns.measure(meter)
        return True

    async def lock_name(self, name: str) -> None:
        """Nothing to do: the file has one writer at a time."""

    async def time(self) -> int:
        """The time at which this process began, carried on by the monotonic clock: setting the machine's clock does
        not move it, and no other process works on the file."""
        return _BEGAN + time.monotonic_ns() // 1000

    def _translated(self, error: sqlite3.Error) -> Exception:
        code = primary_code(error)
        exceeded = self._connection.patterns.taken_failure()
        if exceeded is not None:
            return exceeded
        if self._is_reading and code == sqlite3.SQLITE_READONLY:
            return ReadUnitWrote()
        if is_broken(error):
            self.failure = self.failure or error
            return unavailable(error)
        if code == sqlite3.SQLITE_CONSTRAINT:
            self.refused = RowRefused(str(error))
            return self.refused
        return error


class SqliteCursor:
    """See `store.executor.Cursor`."""

    __slots__ = ("_cursor", "_translated")

    def __init__(self, cursor: sqlite3.Cursor, translated: Callable[[sqlite3.Error], Exception]) -> None:
        self._cursor = cursor
        self._translated = translated

    async def fetch(self, count: int) -> Sequence[Row]:
        """The next rows."""
        try:
            return self._cursor.fetchmany(count)
        except sqlite3.Error as error:
            raise self._translated(error) from error
