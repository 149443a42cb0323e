"""The intent to call a tool: the last look at whether it may be, in the unit of work after which it may have been."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from server.application.run_log import record
from server.application.tool_call_states import ask_again, end_call, save
from server.domain import tool_texts
from server.domain.events import Payload, ToolCallStarted
from server.domain.ids import ApprovalId
from server.domain.run import Run
from server.domain.tool import ApprovalState, ServerTool, ToolCallState, ToolInvocation
from server.domain.tool_rules import Permission, permission
from server.ports.store import Transaction


async def intend(
    tx: Transaction,
    run: Run,
    call: ToolInvocation,
    tool: ServerTool,
    *,
    now: datetime,
    expires_at: datetime,
    new_id: Callable[[], ApprovalId],
) -> ToolInvocation | None:
    """Commit a run that its worker holds to making a call, with the tool as it is defined and configured now.

    Returns the call as it is then, or `None` when it must not be made: it is not READY any more, the operator forbids
    it, or a person has to be asked again, until `expires_at`. An approval is used up here.
    """
    current = await tx.tool_calls.get(run.conversation_id, call.id)
    if current is None or current.state is not ToolCallState.READY:
        return None
    approval = await tx.approvals.current(call.id)
    permitted = permission(current, tool, approval, now=now)
    payloads: list[Payload] = []
    if permitted is Permission.FORBIDDEN:
        payloads = await end_call(tx, run, current, ToolCallState.REFUSED, tool_texts.FORBIDDEN, now=now)
    if permitted is Permission.NEEDED:
        payloads = await ask_again(
            tx, current, digest=tool.spec.digest, approval_id=new_id(), now=now, expires_at=expires_at
        )
    if permitted is not Permission.GRANTED:
        await record(tx, run, payloads, now=now)
        return None
    if approval is not None and approval.state is ApprovalState.APPROVED:
        await tx.approvals.settle(approval, ApprovalState.USED, expected=approval.state, now=now)
    running = replace(
        current,
        state=ToolCallState.RUNNING,
        definition_digest=tool.spec.digest,
        intent_epoch=run.epoch,
        intent_at=now,
    )
    await save(tx, running, current)
    await tx.runs.settle(run.id, epoch=run.epoch)
    await record(tx, run, [ToolCallStarted(call.id)], now=now)
    return running
