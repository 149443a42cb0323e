"""What webhooks are told of an event of a log: ids, names of tools and states, and no text of anybody's."""

from typing import Final

from server.domain.events import (
    ApprovalExpiring,
    Event,
    Payload,
    RunEnded,
    RunQueued,
    RunStarted,
    ToolCallDecided,
    ToolCallRequested,
)
from server.domain.run import RunState
from server.domain.tool import ToolCallState
from server.domain.webhook import WebhookEvent

TOLD: Final[tuple[type[Payload], ...]] = (
    RunQueued,
    RunStarted,
    RunEnded,
    ToolCallRequested,
    ToolCallDecided,
    ApprovalExpiring,
)
"""The kinds of events that webhooks can be told of."""

_ENDS: Final = {
    RunState.COMPLETED: WebhookEvent.RUN_COMPLETED,
    RunState.FAILED: WebhookEvent.RUN_FAILED,
    RunState.CANCELLED: WebhookEvent.RUN_CANCELLED,
    RunState.INTERRUPTED: WebhookEvent.RUN_INTERRUPTED,
}
_REQUESTS: Final = {
    ToolCallState.AWAITING_APPROVAL: WebhookEvent.APPROVAL_REQUESTED,
    ToolCallState.AWAITING_CLIENT: WebhookEvent.CLIENT_TOOLS_REQUESTED,
}
Facts = dict[str, str | int | None]


def facts_of(event: Event) -> tuple[WebhookEvent, Facts] | None:
    """What is told of an event beside where and when it happened; `None`: nobody is told of such."""
    return _of_run(event.payload) or _of_tool_call(event.payload)


def _of_run(payload: Payload) -> tuple[WebhookEvent, Facts] | None:
    match payload:
        case RunQueued(message):
            return WebhookEvent.RUN_QUEUED, {"state": RunState.QUEUED, "message_id": message.id}
        case RunStarted(message, model):
            return WebhookEvent.RUN_STARTED, {"state": RunState.RUNNING, "message_id": message.id, "model": model}
        case RunEnded():
            return _ENDS[payload.state], _facts_of_end(payload)
        case _:
            return None


def _of_tool_call(payload: Payload) -> tuple[WebhookEvent, Facts] | None:
    match payload:
        case ToolCallRequested() if payload.state in _REQUESTS:
            return _REQUESTS[payload.state], _facts_of_request(payload)
        case ToolCallDecided(call_id, decision):
            return WebhookEvent.APPROVAL_DECIDED, {"tool_call_id": call_id, "decision": decision}
        case ApprovalExpiring(call_id, expires_at):
            return WebhookEvent.APPROVAL_EXPIRING, {"tool_call_id": call_id, "expires_at": expires_at.isoformat()}
        case _:
            return None


def _facts_of_end(ended: RunEnded) -> Facts:
    usage = ended.usage
    return {
        "state": ended.state,
        "reason": ended.reason,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
    }


def _facts_of_request(asked: ToolCallRequested) -> Facts:
    return {
        "tool_call_id": asked.call_id,
        "tool_name": asked.name,
        "server_name": asked.server,
        "state": asked.state,
        "expires_at": None if asked.expires_at is None else asked.expires_at.isoformat(),
    }
