"""Messages of `parley.v1`."""

from collections.abc import Mapping
from typing import Final

from parley.v1 import message_pb2

from server.domain.message import GeneratedImage, Message, MessageStatus, Role, Usage
from server.rpc.codecs.timestamp import stamp

ROLES: Final[Mapping[Role, message_pb2.Role.ValueType]] = {
    Role.USER: message_pb2.ROLE_USER,
    Role.ASSISTANT: message_pb2.ROLE_ASSISTANT,
    Role.SYSTEM: message_pb2.ROLE_SYSTEM,
    Role.TOOL: message_pb2.ROLE_TOOL,
}
STATUSES: Final[Mapping[MessageStatus, message_pb2.MessageStatus.ValueType]] = {
    MessageStatus.COMPLETE: message_pb2.MESSAGE_STATUS_COMPLETE,
    MessageStatus.INTERRUPTED: message_pb2.MESSAGE_STATUS_INTERRUPTED,
    MessageStatus.QUEUED: message_pb2.MESSAGE_STATUS_QUEUED,
    MessageStatus.FAILED: message_pb2.MESSAGE_STATUS_FAILED,
    MessageStatus.CANCELLED: message_pb2.MESSAGE_STATUS_CANCELLED,
}


def write_message(into: message_pb2.Message, message: Message) -> None:
    """Fill a message in where it belongs, as every API of `parley.v1` shows it.

    Field by field, in its place in a reply or an event: a message made by its constructor and copied into a list takes
    2.5 times as long, and replies have hundreds of them.
    """
    into.id = message.id
    into.role = ROLES[message.role]
    into.content = message.content
    into.status = STATUSES[message.status]
    stamp(into.created_at, message.created_at)
    if message.run_id is not None:
        into.run_id = message.run_id
    if message.model is not None:
        into.model = message.model
    if message.reasoning is not None:
        into.reasoning_content = message.reasoning
    for call in message.tool_calls:
        into.tool_calls.add(id=call.id, name=call.name, arguments=call.arguments)
    if message.tool_call_id is not None:
        into.tool_call_id = message.tool_call_id
    if message.actor is not None:
        into.actor = message.actor
    if message.usage is not None:
        _write_usage(into.usage, message.usage)
    if message.spoken is not None or message.image is not None or message.attachments:
        _write_what_few_have(into, message)


def _write_what_few_have(into: message_pb2.Message, message: Message) -> None:
    if message.spoken is not None:
        into.spoken_content = message.spoken_content or ""
    if message.image is not None:
        into.image.MergeFrom(encode_image(message.image))
    for each in message.attachments:
        into.attachments.add(
            file_id=each.file_id,
            name=each.name,
            media_type=each.media_type,
            size_bytes=each.size,
            deleted=each.is_deleted,
        )


def encode_image(image: GeneratedImage) -> message_pb2.Image:
    """What was drawn."""
    return message_pb2.Image(model=image.model, prompt=image.prompt, file_id=image.file_id)


def encode_usage(usage: Usage | None) -> message_pb2.Usage | None:
    """What something cost; `None` stays unset."""
    if usage is None:
        return None
    encoded = message_pb2.Usage()
    _write_usage(encoded, usage)
    return encoded


def _write_usage(into: message_pb2.Usage, usage: Usage) -> None:
    into.prompt_tokens = usage.prompt_tokens
    into.completion_tokens = usage.completion_tokens
    into.total_tokens = usage.total_tokens
