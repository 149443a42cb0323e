"""How an answer that asks for tools is stored: the message, its calls, and what they wait for, in one unit of work."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from server.application.run_log import record
from server.application.tool_call_states import approval_for, requested, told
from server.application.tool_requests import JudgedCall, invocations
from server.domain.events import MessageCompleted, Payload, ToolCallEnded
from server.domain.ids import ApprovalId
from server.domain.message import Message, added
from server.domain.run import Run
from server.domain.tool import ToolCallState
from server.failpoint import failpoint
from server.ports.store import Transaction


async def store_round(
    tx: Transaction,
    run: Run,
    message: Message,
    judged: Sequence[JudgedCall],
    *,
    before: Sequence[Payload],
    now: datetime,
    expires_at: datetime,
    new_id: Callable[[], ApprovalId],
) -> Run:
    """Put the message at the end of the history of a run that its worker holds, and its calls into the ledger; refused
    ones have their results at once. `before` are events still to be written. Returns the run as it is then."""
    calls = invocations(run, message.id, judged, now=now, expires_at=expires_at)
    placed = await tx.messages.append(replace(message, tool_calls=tuple(call.shown for call in judged)))
    await tx.tool_calls.add(calls)
    payloads: list[Payload] = [*before, MessageCompleted(placed), *map(requested, calls)]
    for call, judgement in zip(calls, judged, strict=True):
        if call.state is ToolCallState.AWAITING_APPROVAL:
            await tx.approvals.add(approval_for(call, new_id(), now=now, expires_at=expires_at))
        if call.state is ToolCallState.REFUSED:
            payloads += await told(tx, run, call, judgement.refusal, now=now)
            payloads.append(ToolCallEnded(call.id, call.state))
    rounds, usage = run.rounds + 1, added(run.usage, message.usage)
    await tx.runs.settle(run.id, epoch=run.epoch, rounds=rounds, usage=usage)
    await record(tx, run, payloads, now=now)
    await tx.conversations.touch(run.conversation_id, now, by=run.user_id)
    failpoint("tool_calls.stored")
    return replace(run, rounds=rounds, usage=usage)
