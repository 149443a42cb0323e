"""Clock and ids. Everything that reads time or makes an id gets it from here, so a test can own both."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for durations."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. Cancellable."""
        ...


class Ids(Protocol):
    """Fresh ids."""

    def uuid(self) -> UUID:
        """A UUIDv7: unique, and sorting by the time it was made."""
        ...
