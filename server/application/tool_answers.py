"""What becomes of tool calls that wait when people decide, clients answer, or time is over: inside a unit of work whose
conversation is locked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from server.application.tool_call_states import end_call, save
from server.domain import tool_texts
from server.domain.events import ApprovalExpiring, Payload, ToolCallDecided
from server.domain.ids import ToolCallId, UserId
from server.domain.run import Run
from server.domain.tool import ApprovalState, Decision, ToolCallState, ToolInvocation
from server.domain.tool_call_errors import ToolCallAlreadyDecided, ToolCallAlreadyEnded
from server.ports.store import Transaction

_CLIENT_WAITS = ToolCallState.AWAITING_CLIENT


@dataclass(frozen=True, slots=True)
class ToolDecision:
    """What a person says to a tool call."""

    call_id: ToolCallId
    approved: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ClientResult:
    """What a client's tool answered."""

    call_id: ToolCallId
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """Where a call stands."""

    call_id: ToolCallId
    state: ToolCallState


async def decide(
    tx: Transaction, run: Run, call: ToolInvocation, decision: ToolDecision, *, by: UserId, now: datetime
) -> tuple[ToolCallState, list[Payload]]:
    """Permit a call, or give it a denial as its result. Returns where it stands then, and the events that are still to
    be recorded. Raises `ToolCallAlreadyDecided`, also for one whose time is over and of which nobody took note yet."""
    state = ApprovalState.APPROVED if decision.approved else ApprovalState.DENIED
    reason = decision.reason or None
    if not _waits(call, ToolCallState.AWAITING_APPROVAL, now) or not await _settle(
        tx, call, state, now=now, by=by, reason=reason
    ):
        raise ToolCallAlreadyDecided(call.id, _shown(call, ToolCallState.AWAITING_APPROVAL))
    said = ToolCallDecided(call.id, Decision(state.value), reason, by)
    if decision.approved:
        await save(tx, replace(call, state=ToolCallState.READY, expires_at=None), call)
        return ToolCallState.READY, [said]
    text = tool_texts.denied(reason)
    return ToolCallState.DENIED, [said, *await end_call(tx, run, call, ToolCallState.DENIED, text, now=now)]


async def answer(
    tx: Transaction, run: Run, call: ToolInvocation, result: ClientResult, *, now: datetime
) -> tuple[ToolCallState, list[Payload]]:
    """Give a call what its client's tool answered as its result. Returns as `decide`. Raises `ToolCallAlreadyEnded`."""
    if not _waits(call, _CLIENT_WAITS, now):
        raise ToolCallAlreadyEnded(call.id, _shown(call, _CLIENT_WAITS))
    state = ToolCallState.FAILED if result.is_error else ToolCallState.SUCCEEDED
    text = tool_texts.error(result.text) if result.is_error else result.text
    return state, await end_call(tx, run, call, state, text, now=now)


async def lapse(tx: Transaction, run: Run, calls: Sequence[ToolInvocation], *, now: datetime) -> list[Payload]:
    """Give those calls of a run whose time is over that as their result. Returns the events that are still to be
    recorded."""
    payloads: list[Payload] = []
    for call in calls:
        if call.expires_at is None or now < call.expires_at:
            continue
        if await _settle(tx, call, ApprovalState.EXPIRED, now=now):
            payloads.append(ToolCallDecided(call.id, Decision.EXPIRED))
        payloads += await end_call(tx, run, call, ToolCallState.EXPIRED, tool_texts.lapsed(call), now=now)
    return payloads


async def warn(tx: Transaction, calls: Sequence[ToolInvocation], *, until: datetime) -> list[Payload]:
    """Take note of calls whose time is over by then. Returns the events that say so of requests for approval: a client
    knows what it is asked."""
    payloads: list[Payload] = []
    for call in calls:
        if call.warned or call.expires_at is None or call.expires_at > until:
            continue
        await save(tx, replace(call, warned=True), call)
        if call.state is ToolCallState.AWAITING_APPROVAL:
            payloads.append(ApprovalExpiring(call.id, call.expires_at))
    return payloads


async def _settle(
    tx: Transaction,
    call: ToolInvocation,
    state: ApprovalState,
    *,
    now: datetime,
    by: UserId | None = None,
    reason: str | None = None,
) -> bool:
    """Decide the request that a call waits for; whether there was one."""
    pending = await tx.approvals.current(call.id)
    return pending is not None and await tx.approvals.settle(
        pending, state, expected=ApprovalState.PENDING, now=now, by=by, reason=reason
    )


def _waits(call: ToolInvocation, state: ToolCallState, now: datetime) -> bool:
    return call.state is state and (call.expires_at is None or now < call.expires_at)


def _shown(call: ToolInvocation, awaited: ToolCallState) -> ToolCallState:
    """What a caller is told of a call that does not wait as it should; the time of one that seems to is over."""
    return ToolCallState.EXPIRED if call.state is awaited else call.state
