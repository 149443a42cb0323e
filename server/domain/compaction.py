"""Compactions: summaries that stand for the older messages of a branch in model requests. The messages stay."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.domain.ids import CompactionId, ConversationId, RunId
from server.domain.value import value


class CompactionCause(StrEnum):
    """Why messages were summarised."""

    ON_DEMAND = "ON_DEMAND"
    """Somebody asked for it."""
    AUTOMATIC = "AUTOMATIC"
    """A model request would have carried too much."""


@value(frozen=True, slots=True)
class Compaction:
    """One summary, immutable."""

    id: CompactionId
    conversation_id: ConversationId
    version: int
    """From 1, in the order in which the conversation's summaries were made."""
    branch: int
    """The branch whose messages it summarises."""
    upto: int
    """It stands for the messages at the positions 1 to this one of that branch."""
    text: str
    messages_summarized: int
    """Messages it stands for, those included that say nothing."""
    tokens_before: int
    """Estimated tokens of those messages."""
    tokens_after: int
    """Estimated tokens of the summary."""
    model: str
    cause: CompactionCause
    created_at: datetime
    provider: str = ""
    run_id: RunId | None = None
    """The run whose request needed it; `None` when somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a request takes from a compaction."""

    upto: int
    """The last position that it covers."""
    text: str
