"""How far somebody has seen the answer of a run, and taking it up again from there without asking anew."""

from dataclasses import dataclass

from server.application.runs import find_run
from server.domain.conversation import Conversation
from server.domain.errors import CursorInFuture, RunNotFound
from server.domain.ids import RunId
from server.domain.run import Run
from server.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """How far somebody has seen a run: up to an event of its conversation's log, and by which attempt."""

    run_id: RunId
    attempt: int | None = None
    """`None`: whichever is the current one."""
    sequence: int = 0
    """0: nothing yet."""


async def find_seen(tx: Transaction, seen: Viewpoint) -> tuple[Run, Conversation]:
    """The run that somebody has seen so far, and its conversation.

    Raises `RunNotFound` when the owner has no such run, `CursorInFuture` when its conversation has no such event.
    """
    run = await find_run(tx, seen.run_id)
    conversation = await tx.conversations.by_id(run.conversation_id)
    if conversation is None:
        raise RunNotFound(seen.run_id)
    if seen.sequence > conversation.last_sequence:
        raise CursorInFuture(cursor=seen.sequence, last=conversation.last_sequence)
    return run, conversation
