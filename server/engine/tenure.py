"""The right of one process to empty the outbox by one way."""

from datetime import timedelta
from typing import Final

from server.domain.ids import WorkerId
from server.domain.limits import Limits
from server.domain.outbox import Outlet
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock

# Events are kept for so long when no process is left that would publish them.
_WISH: Final = timedelta(days=7)


class Tenure:
    """A lease on the outbox, measured by the store's own time and, between renewals, by this process's."""

    def __init__(
        self, *, store: Store, clock: Clock, limits: Limits, worker: WorkerId, outlet: Outlet = Outlet.PUBLISHER
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = limits.lease
        self._worker = worker
        self._outlet = outlet
        self._held_until = 0.0
        self.epoch = 0
        """That in which it was held last."""

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have the outbox yet, as far as this process's clock can tell."""
        return self._clock.monotonic() < self._held_until

    async def announce(self) -> None:
        """Have events kept from now on. Raises `StoreUnavailable`."""

        async def unit(tx: SystemTransaction) -> None:
            await tx.want_events(await tx.time() + _WISH, outlet=self._outlet)

        await self._store.write_system(unit)

    async def renew(self) -> bool:
        """Take the lease or keep it; `False` when it is another's, or was meanwhile. Raises `StoreUnavailable`."""

        async def unit(tx: SystemTransaction) -> int | None:
            now = await tx.time()
            times = {"now": now, "until": now + self._lease, "wanted_until": now + _WISH}
            return await tx.hold_outbox(self._worker, **times, outlet=self._outlet)

        began, was_held = self._clock.monotonic(), self._held_until > 0
        epoch = await self._store.write_system(unit)
        is_lost = epoch is None or (was_held and epoch != self.epoch)
        self._held_until = 0.0 if is_lost else began + self._lease.total_seconds()
        if epoch is None:
            await self.announce()
        else:
            self.epoch = epoch
        return not is_lost

    async def end(self) -> None:
        """Give the outbox to whoever comes next. Raises `StoreUnavailable`."""
        self._held_until = 0.0
        await self._store.write_system(lambda tx: tx.release_outbox(self._worker, outlet=self._outlet))
