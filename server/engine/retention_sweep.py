"""Deletes what tenants have said they do not keep, in units so short that nobody waits for them.

A tenant is swept by one process at a time, which holds a lease; what a killed one leaves half done is done by the next.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog

from server.domain.ids import ConversationId, RunId, WorkerId
from server.domain.limits import Limits
from server.domain.retention import Retention
from server.domain.run import Lease
from server.engine.gravedigger import ROWS, Gravedigger
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.figures import Dropped, Figures
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)
_CONVERSATIONS: Final = 50


class SweepLost(Exception):
    """Another process sweeps the tenant by now."""


class RetentionSweep:
    """Sweeps every tenant now and then, and whatever graves anybody has left open."""

    INTERVAL: Final = timedelta(minutes=1)
    """How often is looked for tenants to be swept …"""
    AGAIN: Final = timedelta(hours=1)
    """… which each is every so often, and soon after it has said something new."""
    DOUBT: Final = timedelta(minutes=1)
    """So much older records of the audit are than the tenant has said before they go: clocks differ."""

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        limits: Limits,
        figures: Figures,
        worker: WorkerId,
        left: Callable[[Collection[RunId], Collection[ConversationId]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._figures = figures
        self._worker = worker
        self._left = left
        self._graves = Gravedigger(store=store, blobs=blobs)

    async def sweep(self) -> None:
        """Sweep whoever is due; what goes wrong in one tenant is left to the next sweep and keeps nobody else's data.
        Raises `StoreUnavailable`."""
        tenant: str | None = ""
        while tenant := await self._store.read_system(lambda tx, after=tenant: tx.tenant_with_graves(after)):  # type: ignore[misc]
            await self._attempt(self._graves.empty(tenant, _count_nothing))
        failed: set[str] = set()
        # Those that have failed are claimed last, so that there is nobody else any more when one comes again.
        while (tenant := await self._claim()) is not None and tenant not in failed:
            if not await self._attempt(self._sweep_unless_lost(tenant)):
                self._figures.swept(is_whole=False)
                failed.add(tenant)

    async def _attempt(self, work: Awaitable[object]) -> bool:
        """Await what is done for one tenant; returns whether it came to its end."""
        try:
            await work
        except Exception:  # noqa: BLE001 - the boundary between tenants: a defect in one's data is no other's
            _log.exception("sweep_failed")
            return False
        return True

    async def _sweep_unless_lost(self, tenant: str) -> None:
        try:
            await self._sweep(tenant)
        except SweepLost:
            _log.info("sweep_lost")
        else:
            self._figures.swept(is_whole=True)

    async def _claim(self) -> str | None:
        async def unit(tx: SystemTransaction) -> str | None:
            now = await tx.time()
            return await tx.claim_sweep(self._lease(now), now, not_since=now - self.AGAIN)

        return await self._store.write_system(unit)

    async def _sweep(self, tenant: str) -> None:
        said = await self._store.read_system(lambda tx: tx.retention(tenant)) or Retention()
        failpoint("retention.claimed")
        for days, archived_only in ((said.conversation_days, False), (said.archived_days, True)):
            if days is not None:
                await self._conversations(tenant, self._before(days), archived_only=archived_only)
        if said.event_days is not None:
            await self._events(tenant, self._before(said.event_days))
        if said.audit_days is not None:
            await self._audit(tenant, await self._surely_before(said.audit_days))

        async def unit(tx: SystemTransaction) -> None:
            await tx.end_sweep(tenant, self._lease(await tx.time()), await tx.time())

        await self._store.write_system(unit)

    async def _conversations(self, tenant: str, before: datetime, *, archived_only: bool) -> None:
        while found := await self._store.read_system(
            lambda tx: tx.untouched(tenant, before, archived_only=archived_only, limit=_CONVERSATIONS)
        ):

            async def unit(
                tx: SystemTransaction, found: list[ConversationId] = found
            ) -> tuple[Collection[RunId], Collection[ConversationId]]:
                await self._hold(tx, tenant)
                buried = await tx.bury_untouched(tenant, found, before, archived_only=archived_only)
                return buried.runs, buried.conversations

            runs, conversations = await self._store.write_system(unit)
            failpoint("retention.buried")
            self._left(runs, conversations)
            self._figures.dropped(Dropped.CONVERSATIONS, len(conversations))
            await self._graves.empty(tenant, lambda tx, _: self._hold(tx, tenant))

    async def _events(self, tenant: str, before: datetime) -> None:
        after = ConversationId("")
        while found := await self._store.read_system(
            lambda tx, after=after: tx.conversations_behind(tenant, after, limit=_CONVERSATIONS)  # type: ignore[misc]
        ):
            while gone := await self._some_events(tenant, found, before):
                failpoint("retention.events_dropped")
                self._figures.dropped(Dropped.EVENTS, gone)
            after = found[-1]

    async def _some_events(self, tenant: str, conversations: list[ConversationId], before: datetime) -> int:
        async def unit(tx: SystemTransaction) -> int:
            await self._hold(tx, tenant)
            gone = 0
            for conversation_id in conversations:
                gone += await tx.drop_events(conversation_id, before, limit=ROWS - gone)
                if gone >= ROWS:
                    break
            return gone

        return await self._store.write_system(unit)

    async def _audit(self, tenant: str, before: datetime) -> None:
        async def unit(tx: SystemTransaction) -> int:
            await self._hold(tx, tenant)
            return await tx.drop_audit(tenant, before, limit=ROWS)

        while gone := await self._store.write_system(unit):
            failpoint("retention.audit_dropped")
            self._figures.dropped(Dropped.AUDIT_RECORDS, gone)

    async def _hold(self, tx: SystemTransaction, tenant: str) -> None:
        if not await tx.hold_sweep(tenant, self._lease(await tx.time())):
            raise SweepLost

    def _before(self, days: int) -> datetime:
        return self._clock.now() - timedelta(days=days)

    async def _surely_before(self, days: int) -> datetime:
        """The same by every clock there is: the database refuses to lose a record that is younger by its own, and with
        it the whole unit."""
        now = await self._store.read_system(lambda tx: tx.time())
        return min(now - timedelta(days=days), self._before(days)) - self.DOUBT

    def _lease(self, now: datetime) -> Lease:
        return Lease(self._worker, now + self._limits.lease)


async def _count_nothing(_tx: SystemTransaction, _rows: int) -> None:
    """Nobody holds what nobody swept to the end."""
