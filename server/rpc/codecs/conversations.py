"""Conversations, sessions and messages of `parley.conversations.v1`."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

from parley.conversations.v1 import conversations_pb2 as pb

from server.application.organization_conversations import MessageSlice
from server.domain.conversation import Conversation
from server.domain.ids import ModelId, model_id
from server.domain.message import Message, Role
from server.domain.session import ChatSession, SessionStatus
from server.rpc.codecs.timestamp import stamp, timestamp

ROLES: Final[Mapping[Role, pb.Role.ValueType]] = {
    Role.USER: pb.ROLE_USER,
    Role.ASSISTANT: pb.ROLE_ASSISTANT,
    Role.SYSTEM: pb.ROLE_SYSTEM,
    Role.TOOL: pb.ROLE_TOOL,
}
STATUSES: Final[Mapping[SessionStatus, pb.SessionStatus.ValueType]] = {
    SessionStatus.ACTIVE: pb.SESSION_STATUS_ACTIVE,
    SessionStatus.COMPLETED: pb.SESSION_STATUS_COMPLETED,
}


def encode_conversation(conversation: Conversation) -> pb.Conversation:
    """A conversation without its sessions."""
    return pb.Conversation(
        id=conversation.id,
        title=conversation.name,
        is_archived=conversation.archived,
        created_at=timestamp(conversation.created_at),
        updated_at=timestamp(conversation.updated_at),
    )


def encode_with_sessions(conversation: Conversation, sessions: Sequence[ChatSession]) -> pb.ConversationWithSessions:
    """A conversation with its sessions, in the order given."""
    return pb.ConversationWithSessions(
        id=conversation.id,
        title=conversation.name,
        is_archived=conversation.archived,
        created_at=timestamp(conversation.created_at),
        updated_at=timestamp(conversation.updated_at),
        chat_sessions=[encode_session(session) for session in sessions],
    )


def encode_session(session: ChatSession) -> pb.ChatSession:
    """A chat session."""
    return pb.ChatSession(
        id=session.id,
        conversation_id=session.conversation_id,
        model_id=session.model_id,
        status=STATUSES[session.status],
        created_at=timestamp(session.created_at),
        updated_at=timestamp(session.updated_at),
    )


def write_message(into: pb.Message, message: Message) -> None:
    """Fill in a message, with the id, not the name, of the model that wrote it."""
    into.id = message.id
    into.role = ROLES[message.role]
    into.content = message.content
    stamp(into.created_at, message.created_at)
    if message.session_id is not None:
        into.chat_session_id = message.session_id
    if message.provider and message.model:
        into.model_id = _model_id(message.provider, message.model)
    if message.usage is not None:
        into.token_used = message.usage.total_tokens


def encode_messages(found: MessageSlice, *, limit: int, offset: int) -> pb.ListMessagesResponse:
    """A window of a history, with what a client needs to ask for the next."""
    encoded = pb.ListMessagesResponse(
        total=found.total,
        limit=limit,
        offset=offset,
        has_more=offset + len(found.messages) < found.total,
    )
    for message in found.messages:
        write_message(encoded.messages.add(), message)
    return encoded


# An id is a hash of two names, the same few for all messages.
@functools.lru_cache(maxsize=1024)
def _model_id(provider: str, name: str) -> ModelId:
    return model_id(provider, name)
