"""The events of a run, in its conversation's log."""

from collections.abc import Sequence
from datetime import datetime

from server.domain.events import Payload
from server.domain.run import Run
from server.ports.store import Transaction


async def record(tx: Transaction, run: Run, payloads: Sequence[Payload], *, now: datetime) -> None:
    """Append events of the run's current epoch to its conversation's log; of none while it has not begun."""
    await tx.events.append(run.conversation_id, payloads, now=now, run_id=run.id, epoch=run.epoch or None)
