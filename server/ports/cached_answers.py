"""The response cache of an owner."""

from datetime import datetime
from typing import Protocol

from server.domain.cached_answer import CachedAnswer
from server.domain.ids import ConversationId


class CachedAnswers(Protocol):
    """Answers that the owner was given, by key."""

    async def find(self, key: str, *, now: datetime) -> CachedAnswer | None:
        """The answer of that key that expires after `now`."""

    async def put(
        self, key: str, answer: CachedAnswer, *, given_in: ConversationId, now: datetime, expires_at: datetime
    ) -> None:
        """Store an answer in place of what the key had. It goes with the conversation in which the model gave it.
        Raises `ConversationNotFound`."""
