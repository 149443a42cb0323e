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
from server.domain.events import Event, MessageCompleted, RunPaused, RunQueued, Shown
from server.domain.message import Message, MessageStatus, Role
from server.domain.principal import Owner
from server.domain.run import Run, RunState
from server.domain.tool_call_errors import RunAwaitsDecision


async def follow(streams: Streams, owner: Owner, run: Run, *, after: int = 0) -> AsyncGenerator[Shown, None]:
    """Everything that a run shows behind a sequence, to its end. Raises `ConversationNotFound` when the conversation is
    deleted meanwhile, and `ShuttingDown`."""
    async with _named_by_conversation(run), aclosing(streams.run(owner, run.id, after=after)) as events:
        async for event in events:
            yield event


async def awaited(streams: Streams, owner: Owner, run: Run) -> AsyncGenerator[Shown, None]:
    """The same from the beginning, for who can do nothing but wait for the end. Raises `RunAwaitsDecision`, too, as
    soon as the run, or the one before it in the queue, waits for a person or a client, who may take a day."""
    async with aclosing(follow(streams, owner, run)) as events:
        async for event in events:
            # A heartbeat, too: what becomes of another run is not in the log of this one.
            if event is None or (isinstance(event, Event) and isinstance(event.payload, RunQueued | RunPaused)):
                async with _named_by_conversation(run):
                    ahead = await streams.parked_ahead(owner, run.id)
                if ahead is not None:
                    raise RunAwaitsDecision(ahead.id, ahead.state)
            yield event


def answer_in(shown: Shown) -> Message | None:
    """The last message of an answer, if this is the event that has it whole. What asks for tools is not the last, and
    what a run leaves behind that did not complete is no answer."""
    match shown:
        case Event(payload=MessageCompleted(message=message)) if message.role is Role.ASSISTANT:
            return message if message.status is MessageStatus.COMPLETE and not message.tool_calls else None
    return None


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


@asynccontextmanager
async def _named_by_conversation(run: Run) -> AsyncIterator[None]:
    """A run is gone when its conversation is; that is the name by which the caller knows it."""
    try:
        yield
    except RunNotFound:
        raise ConversationNotFound(run.conversation_id) from None
