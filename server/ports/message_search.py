"""What a transaction of the store has of the search in messages.

A message is found from the moment at which it is stored, and no longer once it is deleted, by whatever door. What
messages consist of, and what a query means, `domain.words` and `domain.message_query` say; both databases find the
same.
"""

from typing import Protocol

from server.domain.message_search import HitPosition, MessageHit, MessageSearch


class MessageIndex(Protocol):
    """The owner's messages, as a search sees them."""

    async def find(self, search: MessageSearch, *, limit: int, after: HitPosition | None) -> list[MessageHit]:
        """The hits of a search in its order, behind a position. It costs what the owner's messages make it cost,
        however many others wrote."""


class IndexUpkeep(Protocol):
    """The index, for the service itself."""

    async def index_is_whole(self) -> bool:
        """Whether every message is indexed. Those of before there was an index are not at first."""

    async def index_older(self, *, limit: int) -> bool:
        """Index some of those messages; returns whether there may be more."""

    async def index_needs_cleaning(self) -> bool:
        """Whether the index still holds words of messages that are gone. No search finds them."""

    async def clean_index(self, *, effort: int) -> bool:
        """Remove some of those words, with so much effort (pages of a few KiB that are written); returns whether there
        may be more. The database may do that by itself."""
