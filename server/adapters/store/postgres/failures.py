"""What errors of the driver mean for a unit: run it again, tell its caller, or give up."""

from enum import Enum, auto
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.store.errors import ReadUnitWrote, RowRefused
from server.domain.errors import StoreUnavailable

# Two units of one conversation can only meet in these when one of them did not take the lock first: the second finds
# things as they are when it is run again.
_RACES: Final = frozenset({"uq_runs_active", "uq_messages_position", "pk_run_events", "pk_requests"})

_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
_EXHAUSTED: Final = (asyncpg.InsufficientResourcesError, asyncpg.LockNotAvailableError, TimeoutError)


class Failure(Enum):
    """What became of a transaction."""

    LOST = auto()
    """The connection is gone; so is the transaction, unless its commit was on the way."""
    CONFLICT = auto()
    """It met another one; run again it will most likely succeed."""
    EXHAUSTED = auto()
    """The server cannot take it now: a lock was not free in time, the disk is full, there are too many connections."""
    DEFECT = auto()
    """The unit's own fault."""


def classify(error: BaseException) -> Failure:
    """What an error says of its transaction."""
    if isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
        return Failure.CONFLICT
    if isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name in _RACES:
        return Failure.CONFLICT
    if isinstance(error, asyncpg.DataError | asyncpg.QueryCanceledError):
        return Failure.EXHAUSTED if isinstance(error, asyncpg.QueryCanceledError) else Failure.DEFECT
    if isinstance(error, _EXHAUSTED):
        return Failure.EXHAUSTED
    return Failure.LOST if isinstance(error, _LOST) else Failure.DEFECT


def translated(error: Exception) -> Exception:
    """What a unit, or its caller, hears of a driver's error."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return RowRefused(str(error))
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return ReadUnitWrote()
    if isinstance(error, asyncpg.DiskFullError):
        return StoreUnavailable("the disk of the store is full; nothing was stored")
    return error if classify(error) is Failure.DEFECT else StoreUnavailable()
