"""One message as a model sees it."""

from server.domain.attachment import Attachment
from server.domain.enclosure import Enclosure
from server.domain.message import Message, Role, ToolCall
from server.domain.origin import Origin
from server.domain.value import value


@value(frozen=True, slots=True)
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
    attachments: tuple[Attachment, ...] = ()
    """Files that it brings along."""
    enclosures: tuple[Enclosure, ...] = ()
    """The same files as the model is shown them; only in a request that is about to be sent."""


def shown(message: Message) -> PromptMessage:
    """A message of the history as the model sees it.

    An image that was drawn is mentioned with the words that it was drawn from: a model that writes cannot see it, but
    may be asked about it.
    """
    content = message.content
    if message.image is not None:
        content = f"{content}\n\n[image drawn from: {message.image.prompt}]".lstrip()
    origin = Origin(message.provider, message.model) if message.provider and message.model else None
    return PromptMessage(
        message.role,
        content,
        message.tool_calls,
        message.tool_call_id,
        origin,
        message.provider_parts,
        message.attachments,
    )
