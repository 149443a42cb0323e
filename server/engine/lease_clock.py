"""The time that leases are measured by."""

from datetime import datetime, timedelta

from server.ports.store import Store
from server.ports.system import Clock


class LeaseClock:
    """The store's time, carried on by the monotonic clock from one look to the next.

    Processes whose wall clocks disagree, or are set while they run, agree on when a lease ends all the same. It is
    behind the store by the time that the look took, never before it: no lease is taken to have ended too early.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: tuple[datetime, float] | None = None

    async def look(self) -> None:
        """Ask the store. Raises `StoreUnavailable`; then the last look counts on."""
        theirs = await self._store.read_system(lambda tx: tx.time())
        self._seen = theirs, self._clock.monotonic()

    def now(self) -> datetime:
        """The store's time. Raises `RuntimeError` before the first look."""
        if self._seen is None:
            raise RuntimeError("nobody has looked at the store's clock yet")
        theirs, at = self._seen
        return theirs + timedelta(seconds=self._clock.monotonic() - at)
