"""What a transaction of the store has of chat sessions; see `ports.store` for what holds of every part of one."""

from datetime import datetime
from typing import Protocol

from server.domain.ids import ConversationId, SessionId
from server.domain.session import ChatSession


class Sessions(Protocol):
    """Chat sessions of the owner's conversations."""

    async def add(self, session: ChatSession) -> None:
        """Store a new one."""

    async def get(self, session_id: SessionId) -> ChatSession | None:
        """The one of that id."""

    async def of_conversation(self, conversation_id: ConversationId) -> list[ChatSession]:
        """By `created_at`, then id."""

    async def touch(self, session_id: SessionId, now: datetime) -> None:
        """Set `updated_at`."""
