"""Finds the run that a call names, and the one that holds it up."""

from dataclasses import replace

from server.domain.errors import RunNotFound
from server.domain.ids import RunId
from server.domain.run import Run, RunState
from server.ports.store import Transaction


async def find_run(tx: Transaction, run_id: RunId) -> Run:
    """The owner's run of that id. Raises `RunNotFound`."""
    run = await tx.runs.get(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run


async def parked_ahead(tx: Transaction, run_id: RunId) -> Run | None:
    """The run for which a run's answer waits because it waits itself, for a person or a client: the run, or, when it is
    queued, the one that is active before it. Raises `RunNotFound`."""
    run = await find_run(tx, run_id)
    ahead = await tx.runs.active(run.conversation_id) if run.state is RunState.QUEUED else run
    return ahead if ahead is not None and ahead.state.is_parked else None


def as_accepted(run: Run) -> Run:
    """A run in the state in which its send was answered: one that began the moment it was accepted never waited."""
    state = RunState.RUNNING if run.started_at == run.created_at else RunState.QUEUED
    return replace(run, state=state)
