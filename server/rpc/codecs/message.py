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


def encode_message(message: Message) -> message_pb2.Message:
    """A message as every API of `parley.v1` shows it."""
    encoded = message_pb2.Message(
        id=message.id,
        role=ROLES[message.role],
        content=message.content,
        status=STATUSES[message.status],
        run_id=message.run_id,
        model=message.model,
        reasoning_content=message.reasoning,
        tool_calls=[
            message_pb2.ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in message.tool_calls
        ],
        tool_call_id=message.tool_call_id,
        usage=encode_usage(message.usage),
        image=encode_image(message.image),
    )
    stamp(encoded.created_at, message.created_at)
    return encoded


def encode_image(image: GeneratedImage | None) -> message_pb2.Image | None:
    """What was drawn; `None` stays unset."""
    if image is None:
        return None
    return message_pb2.Image(model=image.model, prompt=image.prompt, file_id=image.file_id)


def encode_usage(usage: Usage | None) -> message_pb2.Usage | None:
    """What something cost; `None` stays unset."""
    if usage is None:
        return None
    return message_pb2.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
