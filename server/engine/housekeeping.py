"""Forgets what has served its time."""

from datetime import timedelta
from typing import Final

from server.domain.limits import Limits
from server.ports.store import Store
from server.ports.system import Clock

_BATCH: Final = 1000


class Housekeeping:
    """Removes from the store what nobody may ask for any more."""

    INTERVAL: Final = timedelta(minutes=10)

    def __init__(self, *, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def tidy(self) -> None:
        """Forget outdated request ids and cached answers, in batches so short that other units do not wait. Raises
        `StoreUnavailable`."""
        now = self._clock.now()
        before = now - self._limits.idempotency_retention
        forgotten = _BATCH
        while forgotten == _BATCH:
            forgotten = await self._store.write_system(lambda tx: tx.forget_requests(before, limit=_BATCH))
        forgotten = _BATCH
        while forgotten == _BATCH:
            forgotten = await self._store.write_system(lambda tx: tx.forget_answers(now, limit=_BATCH))
