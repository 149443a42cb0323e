"""One message of a conversation."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from server.domain.attachment import Attachment
from server.domain.ids import ConversationId, FileId, MessageId, RunId, SessionId
from server.domain.value import value


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


class MessageStatus(StrEnum):
    """What became of a message."""

    COMPLETE = "COMPLETE"
    INTERRUPTED = "INTERRUPTED"
    QUEUED = "QUEUED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int | None = None
    """Those of the prompt that it had kept from before; `None`: it did not say."""


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """What both cost together; `None` when nobody counted either."""
    if one is None or other is None:
        return one or other
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.total_tokens + other.total_tokens,
        _sum(one.cached_tokens, other.cached_tokens),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that an assistant message asks for; `arguments` is JSON text as the model wrote it."""

    id: str
    """The service's own id of the call."""
    name: str
    arguments: str
    provider_id: str | None = None
    """The id that the provider gave it; sent back to that provider only."""


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """An image that a model drew: which model, from what words, and the file that holds it."""

    model: str
    prompt: str
    file_id: FileId


@dataclass(frozen=True, slots=True)
class MessageMetadata:
    """What operators want to know of a message and callers need not."""

    cache_hit: bool = False
    """Whether the answer came from the response cache, not from the model."""


NO_METADATA = MessageMetadata()


@dataclass(frozen=True, slots=True)
class Spoken:
    """How much of an answer was spoken in a voice session."""

    characters: int
    """Of its content, from the beginning; as many as it has or more: all of it."""
    at: datetime
    """Since when that is known."""


@value(frozen=True, slots=True)
class Message:
    """One message, immutable once it is in a history."""

    id: MessageId
    conversation_id: ConversationId
    role: Role
    content: str
    created_at: datetime
    status: MessageStatus = MessageStatus.COMPLETE
    position: int | None = None
    """Place in its history, from 1; `None` while the message waits in the queue, or when it was withdrawn from it."""
    branch: int | None = None
    """Number of the branch in which it was written, when that is not part of the active history any more."""
    run_id: RunId | None = None
    session_id: SessionId | None = None
    model: str | None = None
    provider: str | None = None
    """Name of the provider behind `model`; provider and model together give the model's stable id."""
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    usage: Usage | None = None
    image: GeneratedImage | None = None
    metadata: MessageMetadata = NO_METADATA
    actor: str | None = None
    """The user who sent it on behalf of its owner."""
    attachments: tuple[Attachment, ...] = ()
    """Files that a user's message brings along, in the sender's order."""
    provider_parts: str | None = None
    """What its provider wants to see again with it, as JSON text; never shown, and sent to no other provider."""
    spoken: Spoken | None = None
    """`None`: it was only written, or is still being spoken."""

    @property
    def spoken_content(self) -> str | None:
        """What of the content was spoken."""
        return None if self.spoken is None else self.content[: self.spoken.characters]


def shown(message: Message) -> Message:
    """The message as everybody may see it: without what is its provider's alone."""
    if message.provider_parts is None and not message.tool_calls:
        return message
    calls = tuple(replace(call, provider_id=None) for call in message.tool_calls)
    return replace(message, provider_parts=None, tool_calls=calls)


def heard(message: Message, *, at: datetime | None = None) -> Message:
    """The message as whoever talks with the model knows it: of an answer that was spoken and cut short, as much as was
    heard. What its provider wants to see again belongs to the whole, and goes. `at`: as it was known then."""
    spoken = message.spoken
    if spoken is None or spoken.characters >= len(message.content) or (at is not None and spoken.at > at):
        return message
    return replace(message, content=message.content[: spoken.characters], provider_parts=None)
