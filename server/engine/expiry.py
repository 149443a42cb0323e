"""Lets tool calls lapse that nobody decided on or answered in time, and announces when a request for approval is about
to. Any process does so for every conversation: a run that waits is nobody's."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from server.application.run_log import record
from server.application.run_pauses import wake
from server.application.tool_answers import lapse, warn
from server.domain.errors import ShuttingDown, StoreUnavailable
from server.domain.limits import Limits
from server.domain.run import Run, RunReference
from server.failpoint import failpoint
from server.ports.store import Store, Transaction
from server.ports.system import Clock
from server.ports.worker import Worker

_log = structlog.get_logger(__name__)
_BATCH: Final = 100
Change = Callable[[Transaction, Run, datetime], Awaitable[Run | None]]


class Expiry:
    """Looks at the calls that wait, each run in a unit of its own: one that fails does not hold up the others."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, worker: Worker) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        # A short time to decide is warned of as well: there is a look between the warning and the end.
        usual = max(limits.approval_lifetime / 10, 2 * limits.lease_heartbeat)
        self._lead = min(limits.approval_warning, usual)

    async def look(self) -> None:
        """Take note of what has lapsed, and warn of what will. Raises `StoreUnavailable`."""
        now = self._clock.now()
        for reference in await self._store.read_system(lambda tx: tx.expired_calls(now, limit=_BATCH)):
            await self._worker.uninterrupted(self._attempt(reference, self._lapsed))
        until = now + self._lead
        for reference in await self._store.read_system(lambda tx: tx.expiring_calls(now, until=until, limit=_BATCH)):
            await self._worker.uninterrupted(self._attempt(reference, self._warned))

    async def _attempt(self, reference: RunReference, change: Change) -> None:
        async def unit(tx: Transaction) -> Run | None:
            if await tx.conversations.lock_by_id(reference.conversation_id) is None:
                return None
            run = await tx.runs.get(reference.id)
            return None if run is None or not run.state.is_active else await change(tx, run, self._clock.now())

        try:
            resumed = await self._store.write(reference.owner, unit)
        except ShuttingDown:
            return
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one run whose calls cannot lapse must not hold up the others
            _log.exception("calls_not_lapsed", run=reference.id)
            return
        if resumed is not None:
            failpoint("expiry.lapsed")
            self._worker.start(resumed)

    async def _lapsed(self, tx: Transaction, run: Run, now: datetime) -> Run | None:
        """End what has lapsed; returns the run if it goes on."""
        await record(tx, run, await lapse(tx, run, await tx.tool_calls.open(run.id), now=now), now=now)
        woken = await wake(tx, run, lease=self._worker.lease, now=now)
        failpoint("expiry.lapsing")
        return woken if woken.epoch != run.epoch else None

    async def _warned(self, tx: Transaction, run: Run, now: datetime) -> None:
        await record(tx, run, await warn(tx, await tx.tool_calls.open(run.id), until=now + self._lead), now=now)
