"""What becomes of an answer, for whoever asked a conversation and knows of no runs."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from server.application.runs import Runs
from server.application.streams import Streams
from server.domain.errors import (
    ConversationNotFound,
    ParleyError,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    RunNotFound,
)
from server.domain.events import Event, RunPaused, Shown
from server.domain.principal import Owner
from server.domain.run import Run, RunState
from server.domain.tool_call_errors import RunAwaitsDecision


async def follow(streams: Streams, owner: Owner, run: Run, *, after: int = 0) -> AsyncGenerator[Shown, None]:
    """Everything that a run shows behind a sequence, to its end. Raises `ConversationNotFound` when the conversation is
    deleted meanwhile, and `ShuttingDown`."""
    async with _named_by_conversation(run), aclosing(streams.run(owner, run.id, after=after)) as events:
        async for event in events:
            yield event


async def failure(runs: Runs, owner: Owner, run: Run, state: RunState | None) -> ParleyError:
    """Why a run that ended in `state` did not complete. Read from the run: its last event does not say how long to
    wait. Raises `ConversationNotFound` when the conversation has been deleted since."""
    if state is RunState.CANCELLED:
        return RunCancelled(run.id)
    if state is RunState.INTERRUPTED:
        return RunInterrupted(run.id)
    async with _named_by_conversation(run):
        error = (await runs.get(owner, run.id)).error
    if error is None:
        return RunFailed(reason="INTERNAL", message="the run failed")
    return RunFailed(reason=error.reason, message=error.message, retry_after=error.retry_after)


async def refuse_pause(runs: Runs, owner: Owner, run: Run, event: Shown) -> None:
    """Raise `RunAwaitsDecision` for a pause that is not over: whoever waits for the whole answer in one call would wait
    for themselves. Raises `ConversationNotFound` as `failure`."""
    if not (isinstance(event, Event) and isinstance(event.payload, RunPaused)):
        return
    async with _named_by_conversation(run):
        state = (await runs.get(owner, run.id)).state
    if state.is_parked:
        raise RunAwaitsDecision(run.id, state)


@asynccontextmanager
async def _named_by_conversation(run: Run) -> AsyncIterator[None]:
    """A run is gone when its conversation is; that is the name by which the caller knows it."""
    try:
        yield
    except RunNotFound:
        raise ConversationNotFound(run.conversation_id) from None
