"""Event payloads as they are stored: a kind, and compact JSON of its dataclass.

A kind names its dataclass for ever; a new event is a new line here.
"""

from collections.abc import Iterable
from typing import Final

from server.adapters.store.json_codec import JsonCodec
from server.domain.events import (
    ApprovalExpiring,
    AttemptReset,
    BranchActivated,
    ConversationCompacted,
    ConversationNamed,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    RunEnded,
    RunPaused,
    RunQueued,
    RunResumed,
    RunStarted,
    TextDelta,
    ToolCallDecided,
    ToolCallEnded,
    ToolCallRequested,
    ToolCallStarted,
)

MESSAGE_STARTED: Final = "message_started"
TEXT_DELTA: Final = "text_delta"
REASONING_DELTA: Final = "reasoning_delta"
MESSAGE_COMPLETED: Final = "message_completed"

_CLASSES: Final[dict[str, type[Payload]]] = {
    "run_queued": RunQueued,
    "run_started": RunStarted,
    "run_ended": RunEnded,
    "attempt_reset": AttemptReset,
    MESSAGE_STARTED: MessageStarted,
    TEXT_DELTA: TextDelta,
    REASONING_DELTA: ReasoningDelta,
    MESSAGE_COMPLETED: MessageCompleted,
    "branch_activated": BranchActivated,
    "conversation_named": ConversationNamed,
    "run_paused": RunPaused,
    "run_resumed": RunResumed,
    "tool_call_requested": ToolCallRequested,
    "tool_call_decided": ToolCallDecided,
    "tool_call_started": ToolCallStarted,
    "tool_call_ended": ToolCallEnded,
    "approval_expiring": ApprovalExpiring,
    "conversation_compacted": ConversationCompacted,
}
_CODECS: Final[dict[str, JsonCodec[Payload]]] = {kind: JsonCodec(cls) for kind, cls in _CLASSES.items()}
_KINDS: Final[dict[type[Payload], str]] = {cls: kind for kind, cls in _CLASSES.items()}


def kinds_of(classes: Iterable[type[Payload]]) -> list[str]:
    """The kinds of payloads of those types."""
    return [_KINDS[cls] for cls in classes]


def dump_payload(payload: Payload) -> tuple[str, str]:
    """Kind and JSON text of a payload."""
    kind = _KINDS[type(payload)]
    return kind, _CODECS[kind].dumps(payload)


def load_payload(kind: str, stored: str) -> Payload:
    """The payload of a kind and its JSON text."""
    return _CODECS[kind].loads(stored)
