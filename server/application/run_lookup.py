"""Finds the run that a call names."""

from server.domain.errors import RunNotFound
from server.domain.ids import RunId
from server.domain.run import Run
from server.ports.store import Transaction


async def find_run(tx: Transaction, run_id: RunId) -> Run:
    """The owner's run of that id. Raises `RunNotFound`."""
    run = await tx.runs.get(run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run
