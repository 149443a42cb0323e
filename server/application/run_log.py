"""The events of a run, in its conversation's log."""

from collections.abc import Sequence
from datetime import datetime

from server.domain.events import MessageCompleted, Payload
from server.domain.message import shown
from server.domain.principal import Acting
from server.domain.run import Run
from server.ports.store import Transaction


async def record(
    tx: Transaction, run: Run, payloads: Sequence[Payload], *, now: datetime, by: Acting | None = None
) -> None:
    """Append events of the run's current epoch to its conversation's log; of none while it has not begun. `by` is who
    made them happen, when they are not the run's own."""
    events = [_shown(payload) for payload in payloads]
    actor = run.actor if by is None else by.actor
    await tx.events.append(run.conversation_id, events, now=now, run_id=run.id, epoch=run.epoch or None, actor=actor)


def _shown(payload: Payload) -> Payload:
    """Without what no reader of a log is ever shown."""
    return MessageCompleted(shown(payload.message)) if isinstance(payload, MessageCompleted) else payload
