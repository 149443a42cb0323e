"""The time that leases are measured by."""

from datetime import datetime, timedelta

from server.ports.store import Store
from server.ports.system import Clock


class LeaseClock:
    """The store's time, carried on by the monotonic clock from one look to the next.

    Processes whose wall clocks disagree, or are set while they run, agree on when a lease ends all the same. How far
    the store's clock went on while the look was under way is not known, so there are two answers: `now` is never before
    the store, so that no lease is taken to have ended too early; `after` is never behind it, so that a lease that is
    written lasts as long as it should, however slow the look was.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: tuple[datetime, float, float] | None = None

    async def look(self) -> None:
        """Ask the store. Raises `StoreUnavailable`; then the last look counts on."""
        asked = self._clock.monotonic()
        theirs = await self._store.read_system(lambda tx: tx.time())
        self._seen = theirs, asked, self._clock.monotonic()

    def now(self) -> datetime:
        """The store's time, at the earliest. Raises `RuntimeError` before the first look."""
        theirs, _, answered = self._last()
        return theirs + timedelta(seconds=self._clock.monotonic() - answered)

    def after(self, duration: timedelta) -> datetime:
        """The store's time once a duration has passed from now, at the latest. Raises `RuntimeError` as `now`."""
        theirs, asked, _ = self._last()
        return theirs + timedelta(seconds=self._clock.monotonic() - asked) + duration

    def _last(self) -> tuple[datetime, float, float]:
        if self._seen is None:
            raise RuntimeError("nobody has looked at the store's clock yet")
        return self._seen
