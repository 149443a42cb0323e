"""The event log of a conversation: what is stored, and what every stream shows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from server.domain.compaction import Compaction
from server.domain.ids import ConversationId, MessageId, RunId, ToolCallId, UserId
from server.domain.message import Message, Role, Usage
from server.domain.run import RunState
from server.domain.tool import Decision, ToolCallState
from server.domain.value import value


@dataclass(frozen=True, slots=True)
class RunQueued:
    """A message was accepted and waits."""

    message: Message


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began; its user message is in the history now."""

    message: Message
    model: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over; the last event of every run."""

    state: RunState
    reason: str | None = None
    message: str | None = None
    usage: Usage | None = None
    ended_by: str | None = None
    """The user who cancelled or interrupted it; `None`: it ended by itself."""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """A run waits for a person or a client; no worker holds it."""

    state: RunState
    expires_at: datetime | None = None
    """When the first of its calls that wait lapses."""


@dataclass(frozen=True, slots=True)
class RunResumed:
    """A run that waited goes on, in a new epoch."""


@dataclass(frozen=True, slots=True)
class AttemptReset:
    """A run was begun again; the text of a message that an earlier epoch began and did not complete is void."""

    attempt: int


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """The text of a message is about to come."""

    message_id: MessageId
    role: Role
    model: str


@value(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer."""

    message_id: MessageId
    text: str


@value(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning."""

    message_id: MessageId
    text: str


@dataclass(frozen=True, slots=True)
class MessageCompleted:
    """A message of the history is whole."""

    message: Message


@dataclass(frozen=True, slots=True)
class ConversationNamed:
    """The conversation has got a name, made from its first message."""

    title: str


@dataclass(frozen=True, slots=True)
class BranchActivated:
    """The conversation's history is another one from some message on."""

    branch: int
    shared: int
    """How many messages at the beginning are the same as before."""
    length: int
    """How many messages the history has now."""
    source_message_id: MessageId | None = None
    """The message whose replacement started the branch; `None` when an earlier branch became active again."""


@dataclass(frozen=True, slots=True)
class ToolCallRequested:
    """The model asked for a tool; or a person is asked anew, because the tool's definition has changed."""

    call_id: ToolCallId
    name: str
    """As the model saw it."""
    arguments: str
    """JSON text as the model wrote it."""
    state: ToolCallState
    server: str | None = None
    tool: str = ""
    """As its server calls it; empty when there is no such tool."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToolCallDecided:
    """Whether a tool call may be made."""

    call_id: ToolCallId
    decision: Decision
    reason: str | None = None
    decided_by: UserId | None = None
    """`None`: nobody did."""


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """A tool is being called."""

    call_id: ToolCallId


@dataclass(frozen=True, slots=True)
class ToolCallEnded:
    """A tool call has its result."""

    call_id: ToolCallId
    state: ToolCallState
    duration: timedelta | None = None
    """How long the tool took; `None` when it was not called, or nobody knows."""


@dataclass(frozen=True, slots=True)
class ApprovalExpiring:
    """A request for approval is about to lapse."""

    call_id: ToolCallId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ConversationCompacted:
    """A summary stands for the older messages in model requests from now on."""

    compaction: Compaction


Payload = (
    RunQueued
    | RunStarted
    | RunEnded
    | AttemptReset
    | MessageStarted
    | TextDelta
    | ReasoningDelta
    | MessageCompleted
    | ConversationNamed
    | BranchActivated
    | RunPaused
    | RunResumed
    | ToolCallRequested
    | ToolCallDecided
    | ToolCallStarted
    | ToolCallEnded
    | ApprovalExpiring
    | ConversationCompacted
)


@value(frozen=True, slots=True)
class Event:
    """One entry of a conversation's log. `sequence` counts from 1 and never comes to name another event."""

    conversation_id: ConversationId
    conversation_key: str
    sequence: int
    created_at: datetime
    payload: Payload
    run_id: RunId | None = None
    epoch: int | None = None
    actor: str | None = None
    """Who acted in the owner's name: the one who did what the event tells, else the one who sent the run's message;
    `None`: the owner, or nobody."""


# What an event weighs besides its text.
_EVENT_BYTES: Final = 256


def weight(event: Event) -> int:
    """About how many bytes an event takes in memory, for buffers that are bounded."""
    payload = event.payload
    if isinstance(payload, TextDelta | ReasoningDelta):
        return _EVENT_BYTES + len(payload.text)
    if isinstance(payload, MessageCompleted | RunStarted | RunQueued):
        asked = sum(len(call.arguments) for call in payload.message.tool_calls)
        return _EVENT_BYTES + len(payload.message.content) + len(payload.message.reasoning or "") + asked
    if isinstance(payload, ToolCallRequested):
        return _EVENT_BYTES + len(payload.arguments)
    if isinstance(payload, ConversationCompacted):
        return _EVENT_BYTES + len(payload.compaction.text)
    return _EVENT_BYTES


@dataclass(frozen=True, slots=True)
class Draining:
    """The process that serves a stream is about to stop. Said by streams, in no log."""

    after: int
    """Where to resume: nothing behind this sequence was shown on the stream yet."""


Shown = Event | Draining | None
"""What a stream shows: entries of the log; at most once that it will be cut; `None` for a sign of life."""


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """What a run's current attempt has said so far: the deltas of its log joined."""

    message_id: MessageId
    text: str
    reasoning: str
