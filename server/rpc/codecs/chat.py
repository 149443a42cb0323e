"""Chats, prompts and answers of `parley.chat.v1`."""

import re
from collections.abc import Mapping
from typing import Final

from parley.chat.v1 import chat_pb2 as pb

from server.application.answer_view import AnswerPiece, Progress, Shown, Titled, WholeAnswer
from server.application.chats import ChatMessages, ChatSlice
from server.application.prompts import Prompt, Sent, ShownEvent
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, FieldViolation, InvalidField
from server.domain.ids import ConversationId
from server.domain.message import Message, Role
from server.rpc.codecs.event_id import encode_viewpoint
from server.rpc.codecs.timestamp import timestamp

ROLES: Final[Mapping[Role, pb.Role.ValueType]] = {
    Role.USER: pb.ROLE_USER,
    Role.ASSISTANT: pb.ROLE_ASSISTANT,
    Role.SYSTEM: pb.ROLE_SYSTEM,
    Role.TOOL: pb.ROLE_TOOL,
}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def decode_chat_id(text: str) -> ConversationId:
    """The conversation that a text names. Raises `ConversationNotFound` for one that is no id: it names nothing."""
    if _UUID.fullmatch(text) is None:
        raise ConversationNotFound(text)
    return ConversationId(text.lower())


def decode_prompt(request: pb.PromptRequest | pb.StreamPromptRequest) -> Prompt:
    """A prompt with its defaults filled in. Raises `ConversationNotFound`, `InvalidField`."""
    if request.HasField("provider_id") and not request.HasField("model_id"):
        raise InvalidField([FieldViolation("model_id", "must be given with provider_id")])
    return Prompt(
        message=request.message,
        conversation_id=decode_chat_id(request.chat_id) if request.HasField("chat_id") else None,
        generate_title=request.generate_title if request.HasField("generate_title") else True,
        provider=request.provider_id if request.HasField("provider_id") else None,
        model=request.model_id if request.HasField("model_id") else None,
        use_cache=request.use_cache if request.HasField("use_cache") else True,
    )


def encode_shown(event: ShownEvent, sent: Sent) -> pb.StreamPromptResponse:
    """An event of the answer to a prompt; one that no place in the log stands for has no id."""
    encoded = _encode_shown(event.shown, sent.run.conversation_id)
    if event.sequence is not None:
        encoded.id = encode_viewpoint(sent.run.id, sent.attempt, event.sequence)
    return encoded


def encode_chats(found: ChatSlice, *, limit: int, offset: int) -> pb.ListChatsResponse:
    """A window of the caller's chats."""
    return pb.ListChatsResponse(
        chats=[_encode_chat(chat) for chat in found.chats],
        total=found.total,
        limit=limit,
        offset=offset,
        has_more=offset + len(found.chats) < found.total,
    )


def encode_messages(found: ChatMessages, *, limit: int, offset: int) -> pb.ListMessagesResponse:
    """A chat and a window of its history."""
    chat = found.chat
    return pb.ListMessagesResponse(
        id=chat.id,
        user_id=chat.owner.user_id,
        title=chat.name,
        updated_at=timestamp(chat.updated_at),
        messages=[_encode_message(message) for message in found.messages],
        total=found.total,
        limit=limit,
        offset=offset,
        has_more=offset + len(found.messages) < found.total,
    )


def _encode_shown(shown: Shown, conversation_id: ConversationId) -> pb.StreamPromptResponse:
    match shown:
        case AnswerPiece(text):
            return pb.StreamPromptResponse(final_answer=pb.StreamPromptResponse.FinalAnswer(chunk=text))
        case Progress(sentence):
            return pb.StreamPromptResponse(status=pb.StreamPromptResponse.Status(message=sentence))
        case Titled(title):
            return pb.StreamPromptResponse(title=pb.StreamPromptResponse.Title(title=title))
        case WholeAnswer(text):
            complete = pb.StreamPromptResponse.Complete(answer=text, chat_id=conversation_id)
            return pb.StreamPromptResponse(complete=complete)


def _encode_chat(chat: Conversation) -> pb.Chat:
    return pb.Chat(id=chat.id, title=chat.name, updated_at=timestamp(chat.updated_at))


def _encode_message(message: Message) -> pb.Message:
    return pb.Message(
        id=message.id,
        chat_id=message.conversation_id,
        role=ROLES[message.role],
        content=message.content,
        created_at=timestamp(message.created_at),
    )
