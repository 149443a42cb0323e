"""Transitions of runs inside a unit of work: how a run begins and how it ends, with everything that goes with it.

Every function expects the conversation to be locked by its unit.
"""

from dataclasses import replace
from datetime import datetime

from server.application.metering import give_up_calls
from server.application.run_log import record
from server.application.tool_call_states import end_open_calls
from server.domain.attachment import Attachment
from server.domain.events import MessageCompleted, Payload, RunEnded, RunStarted
from server.domain.ids import ConversationId, MessageId
from server.domain.message import (
    NO_METADATA,
    GeneratedImage,
    Message,
    MessageMetadata,
    MessageStatus,
    Role,
    Usage,
    added,
)
from server.domain.principal import Acting
from server.domain.run import Lease, Run, RunError, RunState
from server.failpoint import failpoint
from server.ports.store import Transaction

# What an answer is called that did not come to its end.
_STATUS_OF_PARTIAL = {
    RunState.FAILED: MessageStatus.FAILED,
    RunState.CANCELLED: MessageStatus.INTERRUPTED,
    RunState.INTERRUPTED: MessageStatus.INTERRUPTED,
    RunState.COMPLETED: MessageStatus.COMPLETE,
}


async def begin(tx: Transaction, run: Run, message: Message, lease: Lease) -> Run:
    """Store a run that starts at once, claimed by this process in the transaction that accepts it, and its message,
    unless that is in the history already."""
    running = replace(run, state=RunState.RUNNING, epoch=1, lease=lease, started_at=run.created_at)
    placed = message if message.position else await tx.messages.append(message)
    failpoint("send.message_stored")
    await tx.runs.add(running)
    await record(tx, running, [RunStarted(placed, run.model)], now=run.created_at)
    return running


async def start_next(tx: Transaction, conversation_id: ConversationId, *, lease: Lease, now: datetime) -> Run | None:
    """Claim the run that has waited longest and put its message into the history; `None` when none waits."""
    queued = await tx.runs.next_queued(conversation_id)
    if queued is None:
        return None
    run = await tx.runs.claim(queued.id, expected_epoch=queued.epoch, lease=lease, now=now)
    if run is None:
        return None
    message = await tx.messages.admit(run.user_message_id)
    await record(tx, run, [RunStarted(message, run.model)], now=now)
    return run


async def end_run(
    tx: Transaction,
    run: Run,
    *,
    state: RunState,
    now: datetime,
    answer: Message | None = None,
    before: tuple[Payload, ...] = (),
    error: RunError | None = None,
    usage: Usage | None = None,
    by: Acting | None = None,
) -> Run | None:
    """End a run: its open tool calls get results, its answer joins the history, its last events the log. `before` are
    events still to be written, `usage` is what its last answer cost, `by` is who ended it, if anybody did.

    Returns the run as it is now, `None` when it had moved on and nothing was done.
    """
    total = added(run.usage, usage)
    if not await tx.runs.end(run.id, epoch=run.epoch, state=state, now=now, error=error, usage=total):
        return None
    payloads: list[Payload] = [*await end_open_calls(tx, run, now=now), *before]
    if answer is not None:
        payloads.append(MessageCompleted(await tx.messages.append(answer)))
    payloads.append(_ended(state, error, total, by))
    await record(tx, run, payloads, now=now, by=by)
    await tx.conversations.touch(run.conversation_id, now, by=(by or run).user_id)
    return replace(run, state=state, ended_at=now, error=error, usage=total, lease=None)


def _ended(state: RunState, error: RunError | None, usage: Usage | None, by: Acting | None) -> RunEnded:
    reason, message = (error.reason, error.message) if error else (None, None)
    return RunEnded(state, reason, message, usage, ended_by=by.user if by else None)


async def cut_off(
    tx: Transaction,
    run: Run,
    *,
    state: RunState,
    now: datetime,
    error: RunError | None = None,
    by: Acting | None = None,
) -> Run | None:
    """End an active run from outside its worker and keep what its attempt has said so far."""
    partial = await tx.events.partial_answer(run.id, epoch=run.epoch)
    answer = None
    if partial is not None and (partial.text or partial.reasoning):
        answer = written(run, partial.message_id, partial.text, partial.reasoning, state=state, now=now)
    ended = await end_run(tx, run, state=state, now=now, answer=answer, error=error, by=by)
    if ended is not None:
        await give_up_calls(tx, run, partial)
    return ended


async def withdraw(tx: Transaction, run: Run, *, now: datetime, by: Acting) -> Run | None:
    """Cancel a run that has not begun; its message never enters the history."""
    ended = await end_run(tx, run, state=RunState.CANCELLED, now=now, by=by)
    if ended is not None:
        await tx.messages.withdraw(run.user_message_id)
    return ended


def user_message(run: Run, content: str, attachments: tuple[Attachment, ...] = ()) -> Message:
    """The message that a run is accepted with, and the files that it brings along."""
    return Message(
        id=run.user_message_id,
        conversation_id=run.conversation_id,
        role=Role.USER,
        content=content,
        created_at=run.created_at,
        run_id=run.id,
        session_id=run.session_id,
        actor=run.actor,
        attachments=attachments,
    )


def written(
    run: Run,
    message_id: MessageId,
    text: str,
    reasoning: str,
    *,
    state: RunState,
    now: datetime,
    usage: Usage | None = None,
    image: GeneratedImage | None = None,
    metadata: MessageMetadata = NO_METADATA,
    provider_parts: str | None = None,
) -> Message:
    """The assistant's message that a run which ends in `state` leaves behind."""
    return Message(
        id=message_id,
        conversation_id=run.conversation_id,
        role=Role.ASSISTANT,
        content=text,
        created_at=now,
        status=_STATUS_OF_PARTIAL[state],
        run_id=run.id,
        session_id=run.session_id,
        model=run.model,
        provider=run.provider,
        reasoning=reasoning or None,
        usage=usage,
        image=image,
        metadata=metadata,
        provider_parts=provider_parts,
    )
