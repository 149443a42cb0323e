"""Logs are cut at their beginning when a tenant keeps events for some time only: whoever would have to be shown what is
gone is told so, and never shown a log with a hole."""

from collections.abc import Sequence

from server.domain.conversation import Conversation
from server.domain.events import Event, RunQueued, RunStarted
from server.domain.rights_errors import CursorExpired
from server.domain.run import Run
from server.ports.store import Transaction


async def require_kept(
    tx: Transaction, conversation: Conversation, events: Sequence[Event], *, after: int, run: Run | None
) -> None:
    """Check that `events`, the next behind `after` that were found of a log or of one run, are indeed the next ones.

    The log is asked only when that is not plain to see. Raises `CursorExpired`.
    """
    if after >= conversation.last_sequence or (events and events[0].sequence == after + 1):
        return
    if run is not None and not run.state.is_terminal:
        return  # of a run that goes on nothing is dropped
    if run is not None and events and _is_beginning(events[0]):
        return  # all that is behind it is kept, too
    await refuse_dropped(tx, conversation, after=after)


def _is_beginning(event: Event) -> bool:
    """Whether a run began with it; that it waited before is not missed."""
    return isinstance(event.payload, RunQueued | RunStarted) and event.epoch in (None, 1)


async def refuse_dropped(tx: Transaction, conversation: Conversation, *, after: int) -> None:
    """Raises `CursorExpired` when the event behind `after` has been dropped."""
    first = await tx.events.first_kept(conversation.id) or conversation.last_sequence + 1
    if first > after + 1:
        raise CursorExpired(cursor=after, first=first)
