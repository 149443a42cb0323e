"""How a run waits for people and clients, and goes on, inside a unit of work whose conversation is locked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from server.application.run_log import record
from server.domain.events import RunPaused, RunResumed
from server.domain.principal import Acting
from server.domain.run import Lease, Run
from server.domain.tool_rules import awaited, first_expiry
from server.ports.store import Transaction


async def park(tx: Transaction, run: Run, *, now: datetime) -> bool:
    """Let a run wait, held by nobody; `False` when it has something to do."""
    calls = await tx.tool_calls.open(run.id)
    state = awaited(calls)
    if state is None or not await tx.runs.park(run.id, epoch=run.epoch, state=state):
        return False
    await record(tx, run, [RunPaused(state, first_expiry(calls))], now=now)
    return True


async def wake(
    tx: Transaction, run: Run, *, lease: Callable[[], Lease], now: datetime, by: Acting | None = None
) -> Run:
    """Let a run go on with the lease, if it waits and need not any more; or let it wait for what is left. `by` is who
    gave it what it waited for, if anybody did. Returns it as it is then. Raises what `lease` raises."""
    if not run.state.is_parked:
        return run
    calls = await tx.tool_calls.open(run.id)
    state = awaited(calls)
    if state is None:
        resumed = await tx.runs.resume(run.id, expected_epoch=run.epoch, lease=lease())
        if resumed is None:
            raise RuntimeError(f"the run {run.id} moved on under the lock of its conversation")
        await record(tx, resumed, [RunResumed()], now=now, by=by)
        return resumed
    if state is run.state:
        return run
    await tx.runs.move(run.id, epoch=run.epoch, state=state)
    waiting = replace(run, state=state)
    await record(tx, waiting, [RunPaused(state, first_expiry(calls))], now=now, by=by)
    return waiting
