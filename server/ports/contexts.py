"""What a transaction of the store does with what model requests carried: summaries, and the requests themselves."""

from typing import Protocol

from server.domain.compaction import Compaction
from server.domain.ids import CompactionId, ConversationId, RunId
from server.domain.request_record import RequestRecord
from server.domain.tokens import Counted


class Compactions(Protocol):
    """Summaries of the owner's conversations. None ever changes or goes before its conversation does."""

    async def add(self, compaction: Compaction) -> bool:
        """Store a new one; `False`, and nothing stored, when the conversation has one of that version already. Raises
        `ConversationNotFound`."""

    async def get(self, compaction_id: CompactionId) -> Compaction | None:
        """The one of that id."""

    async def newest(self, conversation_id: ConversationId) -> Compaction | None:
        """The one of the highest version."""

    async def all(self, conversation_id: ConversationId) -> list[Compaction]:
        """Every one, by version."""


class ModelRequests(Protocol):
    """Model requests of the owner's runs."""

    async def add(self, record: RequestRecord) -> None:
        """Store a new one; its usage is not stored with it, but found with the message of its answer. Raises
        `ConversationNotFound`."""

    async def of_run(self, run_id: RunId, *, offset: int, limit: int) -> list[RequestRecord]:
        """Those of a run in the order in which they were made."""

    async def counts(self, conversation_id: ConversationId, *, provider: str, model: str) -> list[Counted]:
        """What was estimated and what that provider counted for that model, of the newest requests of a conversation:
        of a few at most, and of those only where it said."""
