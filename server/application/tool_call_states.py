"""Transitions of tool calls inside a unit of work: how a call waits and how it ends, with everything that goes with it.

Every function expects the conversation to be locked by its unit, so that what the unit read is still so. Events are
returned, for the caller to record them with its own in one piece.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from server.domain import tool_texts
from server.domain.events import MessageCompleted, Payload, ToolCallEnded, ToolCallRequested
from server.domain.ids import ApprovalId, result_id
from server.domain.message import Message, Role
from server.domain.run import Run
from server.domain.tool import Approval, ApprovalState, ToolCallState, ToolInvocation
from server.domain.tool_rules import unended
from server.ports.store import Transaction


class CallMoved(RuntimeError):
    """A defect: a tool call is not as its unit has read it under the lock of its conversation."""


async def end_call(
    tx: Transaction,
    run: Run,
    call: ToolInvocation,
    state: ToolCallState,
    text: str,
    *,
    now: datetime,
    duration: timedelta | None = None,
) -> list[Payload]:
    """Give an open call its one result: `text`, as a message at the end of the history."""
    await save(tx, replace(call, state=state, expires_at=None, ended_at=now), call)
    await void_approval(tx, call, now=now)
    return [*await told(tx, run, call, text, now=now), ToolCallEnded(call.id, state, duration)]


async def told(tx: Transaction, run: Run, call: ToolInvocation, text: str, *, now: datetime) -> list[Payload]:
    """Put the result of a call into the history."""
    result = Message(
        id=result_id(call.id),
        conversation_id=call.conversation_id,
        role=Role.TOOL,
        content=text,
        created_at=now,
        run_id=call.run_id,
        session_id=run.session_id,
        tool_call_id=call.id,
    )
    return [MessageCompleted(await tx.messages.append(result))]


async def end_open_calls(tx: Transaction, run: Run, *, now: datetime) -> list[Payload]:
    """Give every open call of a run that ends its result."""
    payloads: list[Payload] = []
    for call in await tx.tool_calls.open(run.id):
        payloads += await end_call(tx, run, call, unended(call), tool_texts.ended_with_run(call), now=now)
    return payloads


async def ask_again(
    tx: Transaction, call: ToolInvocation, *, digest: str, approval_id: ApprovalId, now: datetime, expires_at: datetime
) -> list[Payload]:
    """Let a call that is READY wait for a person again, because what was approved is not what would be called: a tool
    of that definition."""
    waiting = replace(
        call,
        state=ToolCallState.AWAITING_APPROVAL,
        definition_digest=digest,
        expires_at=expires_at,
        warned=False,
    )
    await save(tx, waiting, call)
    await void_approval(tx, call, now=now)
    await tx.approvals.add(approval_for(waiting, approval_id, now=now, expires_at=expires_at))
    return [requested(waiting)]


async def void_approval(tx: Transaction, call: ToolInvocation, *, now: datetime) -> None:
    """Let nobody use what was asked or approved of a call."""
    approval = await tx.approvals.current(call.id)
    if approval is not None and approval.state in (ApprovalState.PENDING, ApprovalState.APPROVED):
        await tx.approvals.settle(approval, ApprovalState.VOID, expected=approval.state, now=now)


async def save(tx: Transaction, call: ToolInvocation, old: ToolInvocation) -> None:
    """Store what became of a call. Raises `CallMoved`."""
    if not await tx.tool_calls.save(call, expected=old.state):
        raise CallMoved(call.id)


def approval_for(call: ToolInvocation, approval_id: ApprovalId, *, now: datetime, expires_at: datetime) -> Approval:
    """A request to permit exactly this call, with the definition that it names."""
    return Approval(
        id=approval_id,
        tool_call_id=call.id,
        conversation_id=call.conversation_id,
        run_id=call.run_id,
        epoch=call.epoch,
        definition_digest=call.definition_digest,
        arguments_digest=call.arguments_digest,
        requested_at=now,
        expires_at=expires_at,
    )


def requested(call: ToolInvocation) -> ToolCallRequested:
    """That the model asked for it, as it stands."""
    return ToolCallRequested(call.id, call.name, call.arguments, call.state, call.server, call.tool, call.expires_at)
