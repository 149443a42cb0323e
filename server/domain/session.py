"""A chat session: a talk with one model within a conversation."""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from server.domain.ids import ConversationId, ModelId, SessionId


class SessionStatus(StrEnum):
    """Whether a session takes messages."""

    ACTIVE = "active"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class ChatSession:
    """One session. All sessions of a conversation see its whole history."""

    id: SessionId
    conversation_id: ConversationId
    model_id: ModelId
    created_at: datetime
    updated_at: datetime
    status: SessionStatus = SessionStatus.ACTIVE

    def given(self, usable: Container[ModelId]) -> "ChatSession":
        """The session as it is while those models can be used: over without its own."""
        return self if self.model_id in usable else replace(self, status=SessionStatus.COMPLETED)
