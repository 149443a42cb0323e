"""What of a conversation a model request carries."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.domain.conversation import ContextManagement, Settings
from server.domain.message import Message, Role, ToolCall
from server.domain.origin import Origin


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message as the model sees it."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    origin: Origin | None = None
    """Who wrote it, when a model did."""
    provider_parts: str | None = None
    """What its origin wants to see again with it, and nobody else may: see `addressed`."""


def prompt(history: Sequence[Message], settings: Settings, context: ContextManagement) -> tuple[PromptMessage, ...]:
    """The system prompt, then the most recent `max_history_messages` of `history` (in order, the oldest first).

    A window never starts with the result of a tool call whose request it cut off. Messages without text or tool
    calls (an answer ended before its first token) are left out: providers refuse them. An image that was drawn is
    mentioned with the words that it was drawn from: a model that writes cannot see it, but may be asked about it.
    """
    speaking = [message for message in history if message.content or message.tool_calls or message.image]
    window = speaking[-context.max_history_messages :]
    while window and window[0].role is Role.TOOL:
        window = window[1:]
    system = [PromptMessage(Role.SYSTEM, settings.system_prompt)] if settings.system_prompt else []
    return tuple(system + [shown(message) for message in window])


def shown(message: Message) -> PromptMessage:
    """A message of the history as the model sees it."""
    content = message.content
    if message.image is not None:
        content = f"{content}\n\n[image drawn from: {message.image.prompt}]".lstrip()
    origin = Origin(message.provider, message.model) if message.provider and message.model else None
    return PromptMessage(
        message.role, content, message.tool_calls, message.tool_call_id, origin, message.provider_parts
    )
