"""Finds runs that nobody works on and claims them: after a crash, a lost lease, or a stop."""

from collections.abc import Callable, Container

import structlog

from server.application.metering import give_up_calls
from server.application.run_log import record
from server.application.run_states import cut_off, start_next
from server.domain.errors import ShuttingDown, StoreUnavailable
from server.domain.events import AttemptReset
from server.domain.ids import RunId
from server.domain.limits import Limits
from server.domain.run import Lease, Run, RunError, RunReference, RunState
from server.engine.lease_clock import LeaseClock
from server.failpoint import failpoint
from server.ports.store import Store, Transaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)
_BATCH = 100


class Recovery:
    """Claims abandoned runs, each in a unit of its own: one that cannot be claimed does not hold up the others."""

    def __init__(self, *, store: Store, clock: Clock, lease_clock: LeaseClock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._lease_clock = lease_clock
        self._limits = limits

    async def abandoned(self, *, held: Container[RunId]) -> list[RunReference]:
        """Some of the runs that may be claimed and are not `held` by this process, the oldest first."""
        now = self._lease_clock.now()
        found = await self._store.read_system(lambda tx: tx.claimable(now, limit=_BATCH))
        return [reference for reference in found if reference.id not in held]

    async def claim(self, reference: RunReference, lease: Callable[[], Lease]) -> Run | None:
        """Claim a run, if it still is as it was found; returns what is to be executed: the run itself, or the one
        behind it in its queue. Raises `StoreUnavailable`, `ShuttingDown`."""

        async def unit(tx: Transaction) -> Run | None:
            await tx.conversations.lock_by_id(reference.conversation_id)
            run = await tx.runs.get(reference.id)
            if run is None or run.epoch != reference.epoch:
                return None
            taken = await self._take(tx, run, lease())
            failpoint("recovery.claiming")
            return taken

        try:
            return await self._store.write(reference.owner, unit)
        except (StoreUnavailable, ShuttingDown):
            raise
        except Exception:  # noqa: BLE001 - one run that cannot be recovered must not hold up the others
            _log.exception("run_not_recovered", run=reference.id)
            return None

    async def _take(self, tx: Transaction, run: Run, lease: Lease) -> Run | None:
        now, lease_now = self._clock.now(), self._lease_clock.now()
        if run.state is RunState.QUEUED:
            if await tx.runs.active(run.conversation_id) is not None:
                return None
            return await start_next(tx, run.conversation_id, lease=lease, now=now)
        if run.state is not RunState.RUNNING or (run.lease is not None and lease_now < run.lease.until):
            return None
        if run.attempts >= self._limits.run_attempts:
            return await self._abandon(tx, run, lease)
        taken = await tx.runs.claim(run.id, expected_epoch=run.epoch, lease=lease, now=lease_now)
        if taken is not None:
            await record(tx, taken, [AttemptReset(taken.epoch)], now=now)
            await give_up_calls(tx, run, await tx.events.partial_answer(run.id, epoch=run.epoch))
            _log.info("run_recovered", run=run.id, epoch=taken.epoch)
        return taken

    async def _abandon(self, tx: Transaction, run: Run, lease: Lease) -> Run | None:
        now = self._clock.now()
        message = f"the run was begun {run.attempts} times and never came to its end; send the message again"
        error = RunError("ATTEMPTS_EXHAUSTED", message)
        _log.error("run_abandoned", run=run.id, epoch=run.epoch, attempts=run.attempts)
        await cut_off(tx, run, state=RunState.FAILED, now=now, error=error)
        return await start_next(tx, run.conversation_id, lease=lease, now=now)
