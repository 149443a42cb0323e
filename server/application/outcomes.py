"""What the end of a run is to whoever waited for its answer."""

from server.application.runs import Runs
from server.domain.errors import ParleyError, RunCancelled, RunFailed, RunInterrupted
from server.domain.ids import RunId
from server.domain.principal import Owner
from server.domain.run import RunState


async def failure(runs: Runs, owner: Owner, run_id: RunId, state: RunState | None) -> ParleyError:
    """Why a run that ended in `state` did not complete. Read from the run: its last event does not say how long to
    wait."""
    if state is RunState.CANCELLED:
        return RunCancelled(run_id)
    if state is RunState.INTERRUPTED:
        return RunInterrupted(run_id)
    error = (await runs.get(owner, run_id)).error
    if error is None:
        return RunFailed(reason="INTERNAL", message="the run failed")
    return RunFailed(reason=error.reason, message=error.message, retry_after=error.retry_after)
