"""When a tool may be called, and what a run waits for. Pure rules over the ledger's entries."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from server.domain.run import RunState
from server.domain.tool import Approval, ApprovalState, ServerTool, ToolCallState, ToolInvocation, ToolPolicy


class Permission(Enum):
    """Whether a tool may be called now."""

    GRANTED = "granted"
    NEEDED = "needed"
    """A person has to be asked, for the first time or again."""
    FORBIDDEN = "forbidden"


def permission(call: ToolInvocation, tool: ServerTool, approval: Approval | None, *, now: datetime) -> Permission:
    """Whether the call may be made with the tool as it is defined and configured now. `approval` is the newest of the
    call; what was approved holds for exactly that, and under a policy of `AUTO` nobody has to approve."""
    if tool.policy is ToolPolicy.DENY:
        return Permission.FORBIDDEN
    if tool.policy is ToolPolicy.AUTO or (approval is not None and _permits(approval, call, tool, now)):
        return Permission.GRANTED
    return Permission.NEEDED


def _permits(approval: Approval, call: ToolInvocation, tool: ServerTool, now: datetime) -> bool:
    shown = (approval.tool_call_id, approval.run_id, approval.epoch, approval.arguments_digest)
    if shown != (call.id, call.run_id, call.epoch, call.arguments_digest):
        return False
    if approval.definition_digest != tool.spec.digest:
        return False
    if approval.state is ApprovalState.APPROVED:
        return now < approval.expires_at
    # The same call again, which nobody knows the outcome of: its one execution is not over.
    return approval.state is ApprovalState.USED and call.is_repeatable and call.intent_epoch is not None


def awaited(calls: Iterable[ToolInvocation]) -> RunState | None:
    """What a run with these open calls has to wait for; `None`: it need not, for there is something to do."""
    states = {call.state for call in calls}
    if not states or states - _WAITING:
        return None
    if ToolCallState.AWAITING_APPROVAL in states:
        return RunState.AWAITING_APPROVAL
    return RunState.AWAITING_CLIENT_TOOLS


def first_expiry(calls: Iterable[ToolInvocation]) -> datetime | None:
    """When the first of the calls that wait lapses."""
    return min((call.expires_at for call in calls if call.expires_at is not None), default=None)


def unended(call: ToolInvocation) -> ToolCallState:
    """What an open call is that will have no other end, because its run is over."""
    return ToolCallState.UNKNOWN if call.state is ToolCallState.RUNNING else ToolCallState.CLOSED


_WAITING = frozenset({ToolCallState.AWAITING_APPROVAL, ToolCallState.AWAITING_CLIENT})
