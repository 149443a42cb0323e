"""Finds out whether a transaction was committed whose last reply was lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.store.postgres.attempts import BEGIN_WRITE, Undone, begin, roll_back, run
from server.adapters.store.postgres.executor import PostgresExecutor
from server.adapters.store.postgres.pool import Pool
from server.adapters.store.transaction import OwnedTransaction
from server.domain.errors import StoreUnavailable
from server.domain.events import Event
from server.domain.principal import Owner

_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True)
class EventEvidence:
    """A transaction that appended to a log was committed if its first event stands there."""

    owner: Owner
    event: Event

    async def holds(self, connection: Any) -> bool:
        """Waits at the conversation's lock until the transaction is over, if it is still under way."""
        executor = PostgresExecutor(connection)
        found = await run(connection, begin(BEGIN_WRITE, self.owner), executor, self._found)
        await roll_back(connection)
        return found == [self.event]

    async def _found(self, executor: PostgresExecutor) -> Sequence[Event]:
        transaction = OwnedTransaction(executor, self.owner, lambda _: None)
        await transaction.conversations.lock_by_id(self.event.conversation_id)
        return await transaction.events.after(self.event.conversation_id, self.event.sequence - 1, limit=1)


@dataclass(frozen=True, slots=True)
class NumberEvidence:
    """Any other transaction: the server remembers what became of its number. One without a number changed nothing."""

    number: str | None

    async def holds(self, connection: Any) -> bool | None:
        """`None` while it is still under way."""
        if self.number is None:
            return True
        try:
            status = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", self.number)
        except asyncpg.InvalidParameterValueError:
            # A number from the future: the server lost it in a crash, and the transaction with it.
            return False
        return None if status == "in progress" else status == "committed"


Evidence = EventEvidence | NumberEvidence


async def find_out(pool: Pool, evidence: Evidence, *, patience: float) -> bool | None:
    """Whether the transaction was committed; `None` when that cannot be learnt within `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            while True:
                answer = await _asked(pool, evidence)
                if answer is not None:
                    return answer
                await asyncio.sleep(_PAUSE)
    except TimeoutError:
        return None


async def _asked(pool: Pool, evidence: Evidence) -> bool | None:
    try:
        connection = await pool.borrow()
        try:
            return await evidence.holds(connection)
        finally:
            await pool.give_back(connection)
    except (StoreUnavailable, Undone, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return None
