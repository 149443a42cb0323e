"""One attempt at a transaction: begun, run, ended, and an honest answer what became of it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.store.errors import RowRefused
from server.adapters.store.postgres.executor import PostgresExecutor
from server.adapters.store.postgres.failures import Failure, classify, translated
from server.adapters.store.postgres.text import storable
from server.adapters.store.row_security import AS_SERVICE, as_owner
from server.domain.principal import Owner

Result = TypeVar("Result")
Unit = Callable[[PostgresExecutor], Awaitable[Result]]

BEGIN_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
BEGIN_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_RETRIED: Final = (Failure.LOST, Failure.CONFLICT)


def begin(how: str, owner: Owner | None) -> str:
    """The query that begins a transaction and says whose it is, in one round trip; without an owner the service's."""
    if owner is None:
        return f"{how}; {AS_SERVICE}"
    return f"{how}; {as_owner(Owner(storable(owner.tenant), storable(owner.user)))}"


class Undone(Exception):
    """Nothing of the transaction was stored, most likely through no fault of its unit: it may be run again.

    `verdict` is what the caller hears in the end. A row that was refused twice was not refused because of a race.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.verdict = translated(cause)
        self.is_refusal = isinstance(self.verdict, RowRefused)


class InDoubt(Exception):
    """The commit was sent and its reply was lost. `error` is how."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def run(connection: Any, beginning: str, executor: PostgresExecutor, unit: Unit[Result]) -> Result:
    """Begin, by a query of `begin`, and run a unit; the transaction is left open. Raises what the unit raises, or
    `Undone`; then it is over."""
    try:
        await _began(connection, beginning, executor)
        result = await unit(executor)
    except BaseException as error:
        await roll_back(connection)
        if executor.failure is not None and classify(executor.failure) in _RETRIED:
            raise Undone(executor.failure) from error
        raise
    if executor.failure is not None:
        # The unit has caught the error; the server will not go on all the same.
        await roll_back(connection)
        is_retried = classify(executor.failure) in _RETRIED
        raise Undone(executor.failure) if is_retried else translated(executor.failure)
    return result


async def commit(connection: Any) -> None:
    """Commit the open transaction. Raises `Undone` or what the server objects to, and `InDoubt`."""
    try:
        await connection.execute("COMMIT")
    except Exception as error:
        failure = classify(error)
        if failure is Failure.CONFLICT:
            raise Undone(error) from error
        if failure is Failure.DEFECT or isinstance(error, asyncpg.DiskFullError):
            raise translated(error) from error
        raise InDoubt(error) from error


async def roll_back(connection: Any) -> None:
    """End the open transaction, if there is one and the connection still lives."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
        if connection.is_in_transaction():
            await connection.execute("ROLLBACK")


async def _began(connection: Any, beginning: str, executor: PostgresExecutor) -> None:
    try:
        await connection.execute(beginning)
    except Exception as error:
        executor.failure = error
        raise translated(error) from error
