"""Events of `parley.v1`. The hottest codec: once per event and viewer."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from parley.v1 import event_pb2

from server.domain.events import (
    ApprovalExpiring,
    AttemptReset,
    BranchActivated,
    ConversationCompacted,
    ConversationNamed,
    Draining,
    Event,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    RunEnded,
    RunPaused,
    RunQueued,
    RunResumed,
    RunStarted,
    Shown,
    TextDelta,
    ToolCallDecided,
    ToolCallEnded,
    ToolCallRequested,
    ToolCallStarted,
)
from server.domain.tool import ToolCallState
from server.rpc.codecs.compaction import CAUSES
from server.rpc.codecs.message import ROLES, encode_usage, write_message
from server.rpc.codecs.timestamp import stamp
from server.rpc.codecs.tool_call import CALL_STATES, DECISIONS


def encode_event(event: Event) -> event_pb2.Event:
    """One entry of the log."""
    encoded = event_pb2.Event()
    encoded.sequence = event.sequence
    encoded.conversation_key = event.conversation_key
    if event.run_id is not None:
        encoded.run_id = event.run_id
    if event.epoch is not None:
        encoded.epoch = event.epoch
    if event.actor is not None:
        encoded.actor = event.actor
    stamp(encoded.created_at, event.created_at)
    _PAYLOADS[type(event.payload)](encoded, event.payload)
    return encoded


def heartbeat(conversation_key: str) -> event_pb2.Event:
    """The sign of life of a quiet stream: no entry of the log, hence without a sequence."""
    return event_pb2.Event(conversation_key=conversation_key, heartbeat=event_pb2.Heartbeat())


def draining(conversation_key: str, notice: Draining) -> event_pb2.Event:
    """The last warning of a stream whose server stops: no entry of the log either."""
    return event_pb2.Event(conversation_key=conversation_key, draining=event_pb2.Draining(after_sequence=notice.after))


def encode_shown(shown: Shown, conversation_key: str) -> event_pb2.Event:
    """Whatever a stream of a conversation shows."""
    match shown:
        case None:
            return heartbeat(conversation_key)
        case Draining():
            return draining(conversation_key, shown)
    return encode_event(shown)


def _text_delta(encoded: event_pb2.Event, delta: TextDelta) -> None:
    piece = encoded.text_delta
    piece.message_id = delta.message_id
    piece.text = delta.text


def _reasoning_delta(encoded: event_pb2.Event, delta: ReasoningDelta) -> None:
    piece = encoded.reasoning_delta
    piece.message_id = delta.message_id
    piece.text = delta.text


def _run_queued(encoded: event_pb2.Event, queued: RunQueued) -> None:
    write_message(encoded.run_queued.message, queued.message)


def _run_started(encoded: event_pb2.Event, started: RunStarted) -> None:
    write_message(encoded.run_started.message, started.message)
    encoded.run_started.model = started.model


def _run_ended(encoded: event_pb2.Event, ended: RunEnded) -> None:
    encoded.run_ended.CopyFrom(
        event_pb2.RunEnded(
            status=ended.state.value,
            reason=ended.reason,
            message=ended.message,
            usage=encode_usage(ended.usage),
            ended_by=ended.ended_by,
        )
    )


def _attempt_reset(encoded: event_pb2.Event, reset: AttemptReset) -> None:
    encoded.attempt_reset.attempt = reset.attempt


def _message_started(encoded: event_pb2.Event, started: MessageStarted) -> None:
    begun = encoded.message_started
    begun.message_id = started.message_id
    begun.role = ROLES[started.role]
    begun.model = started.model


def _message_completed(encoded: event_pb2.Event, completed: MessageCompleted) -> None:
    write_message(encoded.message_completed.message, completed.message)


def _conversation_named(encoded: event_pb2.Event, named: ConversationNamed) -> None:
    encoded.thread_named.name = named.title


def _branch_activated(encoded: event_pb2.Event, activated: BranchActivated) -> None:
    encoded.branch_activated.CopyFrom(
        event_pb2.BranchActivated(
            branch=activated.branch,
            shared_messages=activated.shared,
            message_count=activated.length,
            source_message_id=activated.source_message_id,
        )
    )


def _conversation_compacted(encoded: event_pb2.Event, compacted: ConversationCompacted) -> None:
    made, compaction = encoded.conversation_compacted, compacted.compaction
    made.compaction_id = compaction.id
    made.version = compaction.version
    made.summary = compaction.text
    made.messages_summarized = compaction.messages_summarized
    made.tokens_before = compaction.tokens_before
    made.tokens_after = compaction.tokens_after
    made.model = compaction.model
    made.cause = CAUSES[compaction.cause]
    made.branch = compaction.branch


def _run_paused(encoded: event_pb2.Event, paused: RunPaused) -> None:
    encoded.run_paused.status = paused.state.value
    if paused.expires_at is not None:
        stamp(encoded.run_paused.expires_at, paused.expires_at)


def _run_resumed(encoded: event_pb2.Event, _: RunResumed) -> None:
    encoded.run_resumed.SetInParent()


def _tool_call_requested(encoded: event_pb2.Event, requested: ToolCallRequested) -> None:
    asked = encoded.tool_call_requested
    asked.tool_call_id = requested.call_id
    asked.name = requested.name
    asked.arguments = requested.arguments
    asked.state = CALL_STATES[requested.state]
    if requested.server is not None:
        asked.server_name = requested.server
        asked.tool_name = requested.tool
    if requested.expires_at is not None:
        stamp(asked.expires_at, requested.expires_at)


def _tool_call_decided(encoded: event_pb2.Event, decided: ToolCallDecided) -> None:
    encoded.tool_call_decided.CopyFrom(
        event_pb2.ToolCallDecided(
            tool_call_id=decided.call_id,
            decision=DECISIONS[decided.decision],
            reason=decided.reason,
            decided_by=decided.decided_by,
        )
    )


def _tool_call_started(encoded: event_pb2.Event, started: ToolCallStarted) -> None:
    encoded.tool_call_started.tool_call_id = started.call_id


def _tool_call_ended(encoded: event_pb2.Event, ended: ToolCallEnded) -> None:
    over = encoded.tool_call_ended
    over.tool_call_id = ended.call_id
    over.state = CALL_STATES[ended.state]
    over.is_error = ended.state is not ToolCallState.SUCCEEDED
    if ended.duration is not None:
        over.duration.FromTimedelta(ended.duration)


def _approval_expiring(encoded: event_pb2.Event, expiring: ApprovalExpiring) -> None:
    encoded.approval_expiring.tool_call_id = expiring.call_id
    stamp(encoded.approval_expiring.expires_at, expiring.expires_at)


# Each encoder takes the payload it stands beside; the table is what keeps the two together.
_PAYLOADS: Final[Mapping[type[Payload], Callable[[event_pb2.Event, Any], None]]] = {
    TextDelta: _text_delta,
    ReasoningDelta: _reasoning_delta,
    RunQueued: _run_queued,
    RunStarted: _run_started,
    RunEnded: _run_ended,
    AttemptReset: _attempt_reset,
    MessageStarted: _message_started,
    MessageCompleted: _message_completed,
    ConversationNamed: _conversation_named,
    BranchActivated: _branch_activated,
    ConversationCompacted: _conversation_compacted,
    RunPaused: _run_paused,
    RunResumed: _run_resumed,
    ToolCallRequested: _tool_call_requested,
    ToolCallDecided: _tool_call_decided,
    ToolCallStarted: _tool_call_started,
    ToolCallEnded: _tool_call_ended,
    ApprovalExpiring: _approval_expiring,
}
