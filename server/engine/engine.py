"""The worker of a process: owns the tasks of its runs, renews their leases, picks up what others left."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog

from server.domain.errors import ConversationNotFound, ShuttingDown, StoreUnavailable
from server.domain.ids import RunId, WorkerId
from server.domain.limits import Limits
from server.domain.run import Lease, Run
from server.engine.delta_log import RunLost
from server.engine.recovery import Recovery
from server.engine.runner import Runner
from server.ports.provider import Models
from server.ports.store import Store
from server.ports.system import Clock, Ids

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Execution:
    """A run that this process executes."""

    run: Run
    task: asyncio.Task[None] | None = None
    finishing: bool = False
    """Whether its last transaction is under way, which is left to decide for itself."""


class Engine:
    """Implements `ports.worker.Worker`. Entered with `async with`; on leaving, running work is handed back."""

    def __init__(self, *, store: Store, models: Models, clock: Clock, ids: Ids, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._worker = WorkerId(str(ids.uuid()))
        self._runner = Runner(store=store, models=models, clock=clock, ids=ids, limits=limits)
        self._recovery = Recovery(store=store, clock=clock, limits=limits)
        self._executions: dict[RunId, _Execution] = {}
        self._group = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None
        self._draining = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._recover()
        self._keeper = self._group.create_task(self._keep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(timedelta(0))
        await self._group.__aexit__(None, None, None)

    def lease(self) -> Lease:
        """See `ports.worker.Worker`."""
        if self._draining:
            raise ShuttingDown
        return Lease(self._worker, self._clock.now() + self._limits.lease)

    def start(self, run: Run) -> None:
        """See `ports.worker.Worker`."""
        if self._draining:
            self._group.create_task(self._hand_back(run))
            return
        execution = _Execution(run)
        self._executions[run.id] = execution
        execution.task = self._group.create_task(self._execute(execution))

    def stop(self, run: Run) -> None:
        """See `ports.worker.Worker`."""
        execution = self._executions.get(run.id)
        if execution is not None and execution.task is not None and not execution.finishing:
            execution.task.cancel()

    async def drain(self, grace: timedelta) -> None:
        """Take no more runs; wait up to `grace` for those under way, then hand the others back. Idempotent."""
        self._draining = True
        if self._keeper is not None:
            tasks = [execution.task for execution in self._executions.values() if execution.task is not None]
            if tasks:
                await asyncio.wait(tasks, timeout=grace.total_seconds())
            self._keeper.cancel()
        for execution in list(self._executions.values()):
            self.stop(execution.run)
            await self._hand_back(execution.run)

    async def _execute(self, execution: _Execution) -> None:
        run = execution.run
        try:
            answer = self._runner.new_answer(run)
            error = await self._runner.generate(run, answer)
            execution.finishing = True
            following = await self._runner.finish(run, answer, error, next_lease=self._lease_or_none)
        except (RunLost, ConversationNotFound):
            _log.info("run_lost", run=run.id, epoch=run.epoch)
        except StoreUnavailable as unavailable:
            # The lease lapses and the run is claimed again, here or elsewhere, as often as attempts are permitted.
            _log.warning("run_suspended", run=run.id, epoch=run.epoch, cause=unavailable.message)
        except Exception:  # noqa: BLE001 - the boundary of a run: its failure must not reach the others
            _log.exception("run_attempt_failed", run=run.id, epoch=run.epoch)
        else:
            _log.info("run_ended", run=run.id, epoch=run.epoch, reason=error.reason if error else None)
            if following is not None:
                self.start(following)
        finally:
            if self._executions.get(run.id) is execution:
                del self._executions[run.id]

    async def _keep(self) -> None:
        """Every heartbeat: renew the leases, give up what is no longer held, claim what lies about."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._limits.lease_heartbeat.total_seconds())
            try:
                await self._renew()
                renewed = self._clock.monotonic()
                await self._recover()
            except StoreUnavailable as unavailable:
                _log.warning("store_unavailable", cause=unavailable.message)
                if self._clock.monotonic() - renewed >= self._limits.lease.total_seconds():
                    self._give_up(set(self._executions))
            except Exception:  # noqa: BLE001 - the boundary of the loop that keeps every run of the process alive
                _log.exception("lease_keeper_failed")

    async def _renew(self) -> None:
        held = {run_id: execution.run.epoch for run_id, execution in self._executions.items()}
        if not held:
            return
        lease = Lease(self._worker, self._clock.now() + self._limits.lease)
        ours = await self._store.write_system(lambda tx: tx.renew_leases(lease, held))
        self._give_up({run_id for run_id, epoch in held.items() if ours.get(run_id) != epoch})

    def _give_up(self, run_ids: set[RunId]) -> None:
        for run_id in run_ids:
            execution = self._executions.get(run_id)
            if execution is not None:
                self.stop(execution.run)

    async def _recover(self) -> None:
        if not self._draining:
            for run in await self._recovery.claim(self.lease, held=self._executions):
                self.start(run)

    async def _hand_back(self, run: Run) -> None:
        try:
            await self._store.write_system(lambda tx: tx.release_lease(run.id, epoch=run.epoch, worker=self._worker))
        except StoreUnavailable as unavailable:
            _log.warning("lease_not_released", run=run.id, cause=unavailable.message)

    def _lease_or_none(self) -> Lease | None:
        return None if self._draining else self.lease()
