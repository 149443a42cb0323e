"""Whether a new run may begin at once, has to wait for others of its conversation, or is one too many."""

from server.domain.conversation import InterruptPolicy
from server.domain.limit_errors import TooManyRuns
from server.domain.run import Run
from server.ports.store import Transaction


async def must_wait(tx: Transaction, run: Run, *, policy: InterruptPolicy, active: Run | None, limit: int) -> bool:
    """Whether the run waits behind the `active` one of its conversation, or those that wait already.

    Of a caller at most `limit` run at a time for one user, 0 being any number: `TooManyRuns` is raised for one more
    that would begin now. One that is queued is not counted, nor one that waits for a person or a client, for no state
    of a conversation may refuse its next message; when several of those begin at once, more than the limit run.
    """
    interrupts = policy is InterruptPolicy.INTERRUPT
    if active is not None:
        return not interrupts  # or takes the place of the one that it ends
    if interrupts and not limit:
        return False
    crowd = await tx.runs.crowd(run)
    if crowd.is_awaited and not interrupts:
        return True
    if limit and crowd.running >= limit:
        raise TooManyRuns(limit=limit)
    return False
