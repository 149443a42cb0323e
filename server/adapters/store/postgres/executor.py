"""Executes statements on an asyncpg connection, prepared once per connection."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from sqlalchemy.engine import Dialect

from server.adapters.store.dialects import POSTGRES
from server.adapters.store.effort import EffortMeter
from server.adapters.store.executor import Row
from server.adapters.store.postgres.failures import translated
from server.adapters.store.postgres.text import original, storable
from server.adapters.store.row_security import READ_OWN, READ_TENANT
from server.adapters.store.statement import Foreign, OfTenant, Parameters, Statement


class PostgresExecutor:
    """See `store.executor.Executor`.

    `failure` is the first error of the driver. After any, PostgreSQL refuses to go on with the transaction; whoever
    commits looks here, for the unit may have caught it.
    """

    __slots__ = ("_connection", "_is_reading", "failure")

    def __init__(self, connection: Any, *, reading: bool = False) -> None:
        self._connection = connection
        self._is_reading = reading
        self.failure: Exception | None = None

    @property
    def dialect(self) -> Dialect:
        """That of this driver."""
        return POSTGRES

    async def fetch(self, statement: Statement, parameters: Parameters) -> Sequence[Row]:
        """Execute; returns all rows."""
        sql, arguments = statement.compiled(POSTGRES)
        values = [storable(value) for value in arguments(parameters)]
        if not isinstance(statement, Foreign | OfTenant):
            return await self._fetch(sql, values)
        await self._fetch(READ_TENANT, [])
        rows = await self._fetch(sql, values)
        await self._fetch(READ_OWN, [])
        return rows

    async def execute_many(self, statement: Statement, parameters: Sequence[Parameters]) -> None:
        """Execute once for each set of parameters."""
        sql, arguments = statement.compiled(POSTGRES)
        rows = [[storable(value) for value in arguments(row)] for row in parameters]
        if len(rows) == 1:
            await self._fetch(sql, rows[0])
            return
        try:
            await self._connection.executemany(sql, rows)
        except Exception as error:
            raise self._noted(error) from error

    async def lock_name(self, name: str) -> None:
        """Hold an advisory lock on a hash of the name until the transaction ends."""
        if not self._is_reading:
            key = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)
            await self._fetch("SELECT pg_advisory_xact_lock($1)", [key])

    async def time(self) -> int:
        """The server's clock at this moment, not at the beginning of the transaction."""
        rows = await self._fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint", [])
        return int(rows[0][0])

    async def open(self, statement: Statement, parameters: Parameters) -> "PostgresCursor":
        """Execute; the server computes the rows as they are taken."""
        sql, arguments = statement.compiled(POSTGRES)
        try:
            cursor = await self._connection.cursor(sql, *[storable(value) for value in arguments(parameters)])
        except Exception as error:
            raise self._noted(error) from error
        return PostgresCursor(cursor, self._noted)

    def measure_patterns(self, meter: EffortMeter) -> bool:
        """PostgreSQL's own patterns are of another syntax, and can be made slow."""
        del meter
        return False

    async def number(self) -> str | None:
        """The transaction's number; `None` when it has changed nothing so far."""
        rows = await self._fetch("SELECT pg_current_xact_id_if_assigned()::text", [])
        return rows[0][0]  # type: ignore[no-any-return]

    async def _fetch(self, sql: str, arguments: Sequence[Any]) -> list[Row]:
        try:
            return _originals(await self._connection.fetch(sql, *arguments))
        except Exception as error:
            raise self._noted(error) from error

    def _noted(self, error: Exception) -> Exception:
        self.failure = self.failure or error
        return translated(self.failure)


class PostgresCursor:
    """See `store.executor.Cursor`: a portal, which the server closes with its transaction."""

    __slots__ = ("_cursor", "_noted")

    def __init__(self, cursor: Any, noted: Callable[[Exception], Exception]) -> None:
        self._cursor = cursor
        self._noted = noted

    async def fetch(self, count: int) -> Sequence[Row]:
        """The next rows."""
        try:
            return _originals(await self._cursor.fetch(count))
        except Exception as error:
            raise self._noted(error) from error


def _originals(rows: Sequence[Any]) -> list[Row]:
    return [[original(value) for value in row] for row in rows]
