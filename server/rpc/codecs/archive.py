"""Conversations, searches and answers of `parley.archive.v3`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Value
from parley.archive.v3 import archive_pb2 as pb

from server.application.archive import ArchivedConversation
from server.application.archive_chat import ArchiveMessage
from server.domain.generation import GenerationConfig
from server.domain.ids import AssistantId, ConversationId, OrganizationId, UserId
from server.domain.message import GeneratedImage, Message, Role
from server.domain.run import RunOptions
from server.domain.search import Effort, Search
from server.domain.search_terms import read_search

ROLES: Final[Mapping[Role, pb.Role.ValueType]] = {
    Role.USER: pb.ROLE_USER,
    Role.ASSISTANT: pb.ROLE_ASSISTANT,
    Role.SYSTEM: pb.ROLE_SYSTEM,
    Role.TOOL: pb.ROLE_TOOL,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def decode_search(request: pb.FindConversationsRequest) -> Search:
    """The search of a request. Raises `InvalidField`."""
    return read_search(
        filters=[_values(each) for each in request.filters],
        sort_key=request.sort_key,
        descending=request.sort_order == 1,
        start=request.limit_from if request.HasField("limit_from") else None,
        end=request.limit_to if request.HasField("limit_to") else None,
        effort=Effort(),
    )


def encode_found(found: list[ArchivedConversation]) -> pb.FindConversationsResponse:
    """What a search has found."""
    return pb.FindConversationsResponse(conversations=[encode_conversation(each) for each in found])


def encode_conversation(archived: ArchivedConversation) -> pb.Conversation:
    """A conversation with its messages."""
    conversation = archived.conversation
    return pb.Conversation(
        id=conversation.id,
        name=conversation.name,
        model=conversation.model,
        img_gen_model=conversation.image_model,
        summary=conversation.summary,
        organization_id=conversation.organization_id,
        assistant_id=conversation.assistant_id,
        messages=[encode_message(message) for message in archived.messages],
        created=_meta(conversation.created_by, conversation.created_at),
        updated=_meta(conversation.updated_by, conversation.updated_at),
        accessed=_meta(conversation.accessed_by, conversation.accessed_at),
    )


def encode_message(message: Message) -> pb.Message:
    """One message; an empty text is none."""
    return pb.Message(
        id=message.id,
        timestamp=milliseconds(message.created_at),
        role=ROLES[message.role],
        content=message.content or None,
        reasoning_content=message.reasoning,
        model=message.model,
        img_gen=None if message.image is None else encode_image(message.image),
    )


def encode_image(image: GeneratedImage) -> pb.ImgGenMessage:
    """A drawn image."""
    return pb.ImgGenMessage(model=image.model, prompt=image.prompt, file_id=image.file_id)


def decode_chat(request: pb.ChatRequest) -> ArchiveMessage:
    """A message to a conversation. UUIDs are accepted in either case and stored in lower case."""
    return ArchiveMessage(
        content=request.message,
        conversation_id=ConversationId(request.conversation_id.lower()) if request.conversation_id else None,
        assistant_id=AssistantId(request.assistant_id.lower()) if request.assistant_id else None,
        organization_id=OrganizationId(request.organization_id.lower()) if request.organization_id else None,
        generation=GenerationConfig(model=request.model or None, max_tokens=request.max_tokens or None),
        options=RunOptions(image=request.image),
    )


def encode_answer(message: Message) -> pb.ChatResponse:
    """An answer with its conversation."""
    return pb.ChatResponse(
        conversation_id=message.conversation_id,
        id=message.id,
        timestamp=milliseconds(message.created_at),
        role=ROLES[message.role],
        content=message.content or None,
        reasoning_content=message.reasoning,
        model=message.model,
        img_gen=None if message.image is None else encode_image(message.image),
    )


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut off."""
    return (moment - _EPOCH) // _MILLISECOND


def _meta(user_id: UserId | None, moment: datetime | None) -> pb.ModelMeta:
    return pb.ModelMeta(user_id=user_id, timestamp=0 if moment is None else milliseconds(moment))


def _values(parts: ListValue) -> list[Any]:
    return [_value(part) for part in parts.values]


def _value(part: Value) -> Any:
    """The value as JSON has it; what is no operand of any filter only by its kind."""
    match part.WhichOneof("kind"):
        case "string_value":
            return part.string_value
        case "number_value":
            return part.number_value
        case "bool_value":
            return part.bool_value
        case "list_value":
            return []
        case "struct_value":
            return {}
    return None
