"""Times as the tables keep them: whole microseconds since 1970-01-01T00:00Z."""

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def micros(time: datetime) -> int:
    """An aware time as a number. Exact."""
    return (time - _EPOCH) // _MICROSECOND


def micros_or_none(time: datetime | None) -> int | None:
    """As `micros`, for a column that may be empty."""
    return None if time is None else micros(time)


def moment(stored: int) -> datetime:
    """The time of a number; aware, UTC."""
    return _EPOCH + timedelta(0, 0, stored)


def moment_or_none(stored: int | None) -> datetime | None:
    """As `moment`, for a column that may be empty."""
    return None if stored is None else moment(stored)
