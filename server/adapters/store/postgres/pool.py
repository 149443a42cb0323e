"""The connections, lent to one transaction each."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.store.postgres.failures import Failure, classify
from server.domain.errors import StoreUnavailable

_STATEMENTS_KEPT: Final = 512
# A unit never pauses between its statements; a lease is longer than this, so that whoever takes over finds no lock.
_STANDSTILL_MILLISECONDS: Final = 5000


class Pool:
    """At most `size` connections. Whoever borrows one waits at most `patience`, as does every statement for a lock; no
    statement takes longer than twice that."""

    def __init__(self, dsn: str, *, size: int, patience: timedelta) -> None:
        seconds = patience.total_seconds()
        self._patience = seconds
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,  # asyncpg would go on trying to restore the floor by itself, and log it
            max_size=size,
            timeout=seconds,
            command_timeout=2 * seconds,
            statement_cache_size=_STATEMENTS_KEPT,
            reset=_nothing_to_reset,
            server_settings=_session(seconds),
        )

    async def __aenter__(self) -> Self:
        try:
            await self._pool
        except Exception as error:
            if classify(error) is Failure.DEFECT:
                raise
            raise StoreUnavailable from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(2 * self._patience):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def borrow(self) -> Any:
        """A connection without a transaction. Raises `StoreUnavailable`."""
        try:
            return await self._pool.acquire(timeout=self._patience)
        except Exception as error:
            if classify(error) is Failure.DEFECT:
                raise
            raise StoreUnavailable from error

    async def give_back(self, connection: Any) -> None:
        """Return it, whatever state it is in: one that is broken or in a transaction is closed."""
        # One that has broken off has returned by itself, and answers no more questions.
        with suppress(asyncpg.InterfaceError):
            if connection.is_in_transaction():
                connection.terminate()
        await self._pool.release(connection)


def _session(seconds: float) -> dict[str, str]:
    """What the server is to do with a session. One whose process stands still in a transaction, or whose machine is
    gone, is ended, for it holds locks that the rest of the service waits for; what it had begun is undone."""
    return {
        "application_name": "parley",
        "row_security": "on",  # off, statements would fail that a policy concerns
        "lock_timeout": str(int(seconds * 1000)),
        "idle_in_transaction_session_timeout": str(_STANDSTILL_MILLISECONDS),
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }


async def _nothing_to_reset(_: Any) -> None:
    """Transactions change nothing of a session, so the query that asyncpg would send is saved."""
