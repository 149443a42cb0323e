"""The events of a run, in its conversation's log."""

from collections.abc import Sequence
from datetime import datetime

from server.domain.events import MessageCompleted, Payload
from server.domain.message import shown
from server.domain.run import Run
from server.ports.store import Transaction


async def record(tx: Transaction, run: Run, payloads: Sequence[Payload], *, now: datetime) -> None:
    """Append events of the run's current epoch to its conversation's log; of none while it has not begun."""
    events = [_shown(payload) for payload in payloads]
    await tx.events.append(run.conversation_id, events, now=now, run_id=run.id, epoch=run.epoch or None)


def _shown(payload: Payload) -> Payload:
    """Without what no reader of a log is ever shown."""
    return MessageCompleted(shown(payload.message)) if isinstance(payload, MessageCompleted) else payload
