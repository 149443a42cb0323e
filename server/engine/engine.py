"""The worker of a process: owns the tasks of its runs, renews their leases, picks up what others left."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from server.application.audit import Audit
from server.application.extraction import Extractions
from server.application.guard import Guard
from server.application.memory_search import MemorySearch
from server.application.metering import Bill, Meter
from server.application.recall import Recall
from server.domain.errors import ShuttingDown, StoreUnavailable
from server.domain.ids import ConversationId, RunId, WorkerId
from server.domain.limits import Limits
from server.domain.run import Lease, Run, RunReference
from server.engine.delta_log import RunLost
from server.engine.erasing import Erasing
from server.engine.expiry import Expiry
from server.engine.file_sweep import FileSweep
from server.engine.housekeeping import Housekeeping
from server.engine.index_upkeep import IndexUpkeep
from server.engine.lease_clock import LeaseClock
from server.engine.recovery import Recovery
from server.engine.retention_sweep import RetentionSweep
from server.engine.runner import Runner
from server.engine.uninterrupted import Uninterrupted
from server.engine.wakes import Wakes
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.figures import Figures, NoFigures
from server.ports.provider import Models
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.ports.tools import ToolSchemas, ToolServers

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")


@dataclass(slots=True)
class _Execution:
    """A run that this process executes."""

    run: Run
    task: asyncio.Task[None] | None = None
    finishing: bool = False
    """Whether its last transaction is under way, which is left to decide for itself."""


class Engine:
    """Implements `ports.worker.Worker`. Entered with `async with`; on leaving, running work is handed back."""

    def __init__(
        self,
        *,
        store: Store,
        models: Models,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        wakes: Wakes,
        guard: Guard,
        meter: Meter,
        servers: ToolServers,
        schemas: ToolSchemas,
        figures: Figures | None = None,
        recall: Recall,
        memories: MemorySearch,
        extractions: Extractions,
    ) -> None:
        """`wakes` hears of what other processes do on the same store; without news the worker looks by itself."""
        self._wakes = wakes
        wakes.concerns = self._executes_in
        self._store = store
        self._clock = clock
        self._limits = limits
        self._worker = WorkerId(str(ids.uuid()))
        self._runner = Runner(
            store=store,
            models=models,
            blobs=blobs,
            clock=clock,
            ids=ids,
            limits=limits,
            guard=guard,
            meter=meter,
            servers=servers,
            schemas=schemas,
            recall=recall,
        )
        self._recall = recall
        self._memories = memories
        self._extractions = extractions
        self._lease_clock = LeaseClock(store=store, clock=clock)
        self._recovery = Recovery(store=store, clock=clock, lease_clock=self._lease_clock, limits=limits)
        self._expiry = Expiry(store=store, clock=clock, limits=limits, worker=self)
        self._housekeeping = Housekeeping(store=store, clock=clock, limits=limits)
        self._file_sweep = FileSweep(store=store, blobs=blobs, clock=clock)
        self._index_upkeep = IndexUpkeep(store=store, clock=clock)
        self._erasing = Erasing(
            store=store,
            blobs=blobs,
            clock=clock,
            audit=Audit(clock=clock, ids=ids),
            limits=limits,
            worker=self._worker,
            left=self._leave,
            erased=memories.forget,
        )
        self._retention_sweep = RetentionSweep(
            store=store,
            blobs=blobs,
            clock=clock,
            limits=limits,
            figures=figures or NoFigures(),
            worker=self._worker,
            left=self._leave,
        )
        self._executions: dict[RunId, _Execution] = {}
        self._uninterrupted = Uninterrupted()
        self._group = asyncio.TaskGroup()
        self._loops: list[asyncio.Task[None]] = []
        self._renewed = clock.monotonic()
        self._draining = False

    async def __aenter__(self) -> Self:
        await self._lease_clock.look()
        await self._group.__aenter__()
        heartbeat = self._limits.lease_heartbeat
        # Each on its own: a claim that waits for a lock must not let the leases of what runs lapse.
        self._loops = [
            self._group.create_task(self._repeat(self._renew, every=heartbeat, wake=self._wakes.lost)),
            self._group.create_task(self._repeat(self._recover, every=heartbeat, wake=self._wakes.work)),
            self._group.create_task(self._repeat(self._expiry.look, every=heartbeat)),
            self._group.create_task(self._repeat(self._housekeeping.tidy, every=Housekeeping.INTERVAL)),
            self._group.create_task(self._repeat(self._file_sweep.sweep, every=FileSweep.INTERVAL)),
            self._group.create_task(self._repeat(self._index_upkeep.tend, every=IndexUpkeep.INTERVAL)),
            self._group.create_task(self._repeat(self._erasing.look, every=heartbeat)),
            self._group.create_task(self._repeat(self._memories.tidy, every=MemorySearch.INTERVAL)),
            self._group.create_task(self._repeat(self._extractions.look, every=Extractions.INTERVAL)),
            self._group.create_task(self._repeat(self._retention_sweep.sweep, every=RetentionSweep.INTERVAL)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with AsyncExitStack() as closing:
            closing.push_async_exit(self._group)
            await self.drain(timedelta(0))
            await self._uninterrupted.ended()

    def lease(self) -> Lease:
        """See `ports.worker.Worker`."""
        if self._draining:
            raise ShuttingDown
        return Lease(self._worker, self._lease_clock.after(self._limits.lease))

    async def uninterrupted(self, work: Coroutine[Any, Any, Result]) -> Result:
        """See `ports.worker.Worker`."""
        return await self._uninterrupted.result(work)

    def start(self, run: Run) -> None:
        """See `ports.worker.Worker`."""
        if self._draining:
            self._group.create_task(self._hand_back(run))
            return
        execution = self._executions[run.id] = _Execution(run)
        execution.task = self._group.create_task(self._execute(execution))
        # Not at the end of the task's own code: a task that is cancelled before its first step has no such end.
        execution.task.add_done_callback(lambda _: self._forget(execution))

    def stop(self, run: Run) -> None:
        """See `ports.worker.Worker`."""
        execution = self._executions.get(run.id)
        if execution is not None and execution.task is not None and not execution.finishing:
            execution.task.cancel()

    async def drain(self, grace: timedelta) -> None:
        """Take no more runs; wait up to `grace` for those under way, then hand the others back. Idempotent."""
        self._draining = True
        failpoint("drain.begun")
        tasks = [execution.task for execution in self._executions.values() if execution.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace.total_seconds())
        for loop in self._loops:
            loop.cancel()
        left = [execution.run for execution in self._executions.values()]
        for run in left:
            self.stop(run)
        await asyncio.gather(*(self._hand_back(run) for run in left))

    async def _execute(self, execution: _Execution) -> None:
        run = execution.run
        attempt = self._runner.begin(run)
        try:
            failpoint("run.claimed")
            error = await self._runner.work(attempt)
            following = None
            if not attempt.is_parked:
                execution.finishing = True
                following = await self._runner.finish(attempt, error, next_lease=self._lease_or_none)
                failpoint("run.ended")
        except RunLost:
            _log.info("run_lost", run=run.id, epoch=run.epoch)
        except StoreUnavailable as unavailable:
            # The lease lapses and the run is claimed again, here or elsewhere, as often as attempts are permitted.
            _log.warning("run_suspended", run=run.id, epoch=run.epoch, cause=unavailable.message)
        except Exception:  # noqa: BLE001 - the boundary of a run: its failure must not reach the others
            _log.exception("run_attempt_failed", run=run.id, epoch=run.epoch)
            await self._hand_back(run)
        else:
            end = "run_parked" if attempt.is_parked else "run_ended"
            _log.info(end, run=run.id, epoch=run.epoch, reason=error.reason if error else None)
            if following is not None:
                self.start(following)
            if attempt.wants_memories and error is None and not attempt.is_parked:
                self._extractions.begin(run)
        finally:
            if attempt.bill.has_unsettled:
                # Not here: who is cancelled has no time to store anything.
                self._group.create_task(self._close(attempt.bill, run))

    async def _close(self, bill: Bill, run: Run) -> None:
        """Store what the calls of an attempt cost that came to nothing."""
        try:
            await bill.close()
        except StoreUnavailable as unavailable:
            # Whoever takes the run up next settles what was stored of them.
            _log.warning("usage_not_stored", run=run.id, cause=unavailable.message)
        except Exception:  # noqa: BLE001 - what was stored is settled by others; nothing else may suffer from it
            _log.exception("usage_not_stored", run=run.id)

    def _forget(self, execution: _Execution) -> None:
        if self._executions.get(execution.run.id) is execution:
            del self._executions[execution.run.id]
            self._recall.forget(execution.run.id)

    def _executes_in(self, conversation_id: ConversationId) -> bool:
        return any(execution.run.conversation_id == conversation_id for execution in self._executions.values())

    async def _repeat(
        self, step: Callable[[], Awaitable[None]], *, every: timedelta, wake: asyncio.Event | None = None
    ) -> None:
        """Take a step again and again, whatever becomes of it: after a while, or when it is woken."""
        while True:
            if wake is not None:
                wake.clear()
            try:
                await step()
            except StoreUnavailable as unavailable:
                _log.warning("store_unavailable", cause=unavailable.message)
            except Exception:  # noqa: BLE001 - the boundary of the loops that keep every run of the process alive
                _log.exception("engine_step_failed")
            await self._sleep(every, wake)

    async def _sleep(self, duration: timedelta, wake: asyncio.Event | None) -> None:
        if wake is None:
            await self._clock.sleep(duration.total_seconds())
            return
        async with asyncio.TaskGroup() as waiting:
            sleeping = waiting.create_task(self._clock.sleep(duration.total_seconds()))
            waking = waiting.create_task(wake.wait())
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
            sleeping.cancel()
            waking.cancel()

    async def _renew(self) -> None:
        """Renew the leases and give up what is no longer held: all of it when nothing could be renewed for as long as
        a lease lasts."""
        held = {run_id: execution.run.epoch for run_id, execution in self._executions.items()}
        began = self._clock.monotonic()
        try:
            await self._lease_clock.look()
            lease = Lease(self._worker, self._lease_clock.after(self._limits.lease))
            ours = await self._renewed_among(held, lease) if held else {}
        except StoreUnavailable:
            if self._clock.monotonic() - self._renewed >= self._limits.lease.total_seconds():
                self._give_up(set(self._executions))
            raise
        self._renewed = began
        self._give_up({run_id for run_id, epoch in held.items() if ours.get(run_id) != epoch})

    async def _renewed_among(self, held: Mapping[RunId, int], lease: Lease) -> dict[RunId, int]:
        failpoint("lease.renewing")
        renewed = await self._store.write_system(lambda tx: tx.renew_leases(lease, held))
        failpoint("lease.renewed")
        return renewed

    def _give_up(self, run_ids: set[RunId]) -> None:
        for run_id in run_ids:
            execution = self._executions.get(run_id)
            if execution is not None:
                self.stop(execution.run)

    def _leave(self, run_ids: Collection[RunId], conversation_ids: Collection[ConversationId]) -> None:
        """What is gone from the store: stop working on it, and end its streams."""
        self._give_up(set(run_ids))
        for conversation_id in conversation_ids:
            self._wakes.events_stored(conversation_id)

    async def _recover(self) -> None:
        """Take up what nobody works on, a batch after the other, until a look finds nothing to take."""
        taken = [True]
        while any(taken) and not self._draining:
            found = await self._recovery.abandoned(held=self._executions)
            taken = await asyncio.gather(*(self._take_up(reference) for reference in found))

    async def _take_up(self, reference: RunReference) -> bool:
        """Claim a run and start it; returns whether there is something to execute."""
        return await self.uninterrupted(self._claim_and_start(reference))

    async def _claim_and_start(self, reference: RunReference) -> bool:
        try:
            run = await self._recovery.claim(reference, self.lease)
        except ShuttingDown:
            return False
        failpoint("recovery.claimed")
        if run is not None:
            self.start(run)
        return run is not None

    async def _hand_back(self, run: Run) -> None:
        try:
            failpoint("run.handing_back")
            await self._store.write_system(lambda tx: tx.release_lease(run.id, epoch=run.epoch, worker=self._worker))
            failpoint("run.handed_back")
        except StoreUnavailable as unavailable:
            _log.warning("lease_not_released", run=run.id, cause=unavailable.message)
        except Exception:  # noqa: BLE001 - what is not given back lapses; nothing else may suffer from it
            _log.exception("lease_not_released", run=run.id)

    def _lease_or_none(self) -> Lease | None:
        return None if self._draining else self.lease()
