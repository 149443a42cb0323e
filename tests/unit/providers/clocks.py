"""A clock that a test owns."""

import asyncio
from datetime import UTC, datetime, timedelta


class InstantClock:
    """Sleeps take no time but are counted: `slept` lists them, and both readings move on by them."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Midnight of 2030-01-01, UTC, and what was slept since."""
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        """What was slept."""
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        """Count it and give the loop one turn."""
        self.slept.append(seconds)
        await asyncio.sleep(0)
