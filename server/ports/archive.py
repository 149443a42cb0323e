"""The archive: an owner's conversations as a whole, to be searched and read with everything in them."""

from collections.abc import Sequence
from typing import Protocol

from server.domain.conversation import Conversation
from server.domain.ids import ConversationId
from server.domain.message import Message
from server.domain.search import Search


class Archive(Protocol):
    """All conversations of the owner, archived ones included."""

    async def find(self, search: Search, *, most: int) -> list[Conversation]:
        """The conversations of a search, at most that many of them. Raises `SearchTooBroad` when patterns take more
        than the search's effort."""
        ...

    async def histories(
        self, conversation_ids: Sequence[ConversationId], *, most_bytes: int
    ) -> dict[ConversationId, list[Message]]:
        """The history of each conversation, in order, all read by one statement. Raises `ReplyTooLarge` once they weigh
        more together (`domain.weight`); no more than that, and a few messages, is read."""
        ...

    async def is_anothers(self, conversation_id: ConversationId) -> bool:
        """Whether another user of the owner's tenant has the conversation. The one thing that an owner can learn of
        another's rows."""
        ...
