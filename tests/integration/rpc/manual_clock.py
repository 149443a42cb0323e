"""A clock that stands still until it is moved."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Time as the test says; starts at the real wall clock, so that rows of other clocks are near."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Seconds moved so far."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Move the clock and yield once."""
        self.move(seconds)
        await asyncio.sleep(0)

    def move(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
