"""How large a reply with a conversation becomes: an upper bound of its bytes on the wire, cheap enough to be asked of
every message."""

from collections.abc import Sequence
from typing import Final

from server.domain.attachment import Attachment
from server.domain.context import PromptMessage
from server.domain.conversation import Conversation
from server.domain.message import Message
from server.domain.request_record import RequestRecord

# Ids, times, role, and the tags and lengths of all fields.
_MESSAGE: Final = 256
_CONVERSATION: Final = 512
_RANGE: Final = 96


def weight_of_message(message: Message) -> int:
    """Bytes that a message takes, at most."""
    image = message.image
    drawn = 0 if image is None else _bytes(image.model) + _bytes(image.prompt) + _bytes(image.file_id)
    written = _bytes(message.content) if message.spoken is None else 2 * _bytes(message.content)
    said = written + _bytes(message.reasoning) + _bytes(message.model)
    return _MESSAGE + said + drawn + _files(message.attachments)


def weight_of_conversation(conversation: Conversation) -> int:
    """Bytes that a conversation takes without its messages, at most."""
    models = _bytes(conversation.model) + _bytes(conversation.image_model)
    return _CONVERSATION + _bytes(conversation.name) + _bytes(conversation.summary) + models


def weight_of_prompt(record: RequestRecord, messages: Sequence[PromptMessage]) -> int:
    """Bytes that a model request takes with its messages, at most."""
    account = _MESSAGE + _RANGE * len(record.left_out) + sum(_RANGE + _bytes(tool.name) for tool in record.tools)
    return account + sum(
        _MESSAGE
        + _bytes(message.content)
        + _files(message.attachments)
        + sum(_MESSAGE + _bytes(call.name) + _bytes(call.arguments) for call in message.tool_calls)
        for message in messages
    )


def _files(attachments: Sequence[Attachment]) -> int:
    return sum(_MESSAGE + _bytes(each.name) + len(each.media_type) for each in attachments)


def _bytes(text: str | None) -> int:
    if not text:
        return 0
    return len(text) if text.isascii() else len(text.encode())
