"""How far somebody has seen the answer of a run, and taking it up again from there without asking anew."""

from dataclasses import dataclass
from typing import Final

from server.application.conversations import find
from server.application.kept_events import refuse_dropped
from server.application.run_lookup import find_run
from server.domain.conversation import Conversation
from server.domain.errors import CursorInFuture, RunNotFound
from server.domain.events import RunQueued, RunStarted
from server.domain.history_errors import AnswerNotFound
from server.domain.ids import RunId
from server.domain.run import Run
from server.ports.store import Transaction

_NEWEST_RUNS: Final = 100
"""Among how many runs that of a cut stream is looked for."""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """How far somebody has seen a run: up to an event of its conversation's log, and by which attempt."""

    run_id: RunId
    attempt: int | None = None
    """`None`: whichever is the current one."""
    sequence: int = 0
    """0: nothing yet."""


async def find_answer(tx: Transaction, key: str, content: str, *, seen: int) -> Run:
    """The newest run of a message of that content of which there was something to see by the event `seen`.

    Raises `ConversationNotFound`, `CursorInFuture`; `AnswerNotFound` when none of the newest runs is one, and
    `CursorExpired` when the log is cut, so that nobody can tell.
    """
    conversation = await find(tx, key)
    if seen > conversation.last_sequence:
        raise CursorInFuture(cursor=seen, last=conversation.last_sequence)
    for run in await tx.runs.page(conversation.id, limit=_NEWEST_RUNS, after=None):
        for first in await tx.events.of_run_after(run.id, 0, limit=1):
            asked = first.payload.message if isinstance(first.payload, RunQueued | RunStarted) else None
            if first.sequence <= seen and asked is not None and asked.content == content:
                return run
    await refuse_dropped(tx, conversation, after=0)  # what it was may have gone
    raise AnswerNotFound(seen=seen)


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
