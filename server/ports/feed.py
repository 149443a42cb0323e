"""The feed: tells streams on this node what was stored, without asking the store again."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from server.domain.events import Event
from server.domain.ids import ConversationId


class Subscription(Protocol):
    """One reader's view of one conversation. Bounded: a reader that is too slow loses it, not the others."""

    async def next(self, within: float) -> Sequence[Event] | None:
        """Events published since the last call, in order, at least one; `None` when `within` seconds pass without.

        Raises `SubscriptionLagged` when events were dropped since the last call: the reader catches up from the
        store and calls again.
        """
        ...


class SubscriptionLagged(Exception):
    """Events were dropped because the reader was too slow or the feed lost them; the store has them all."""


class Feed(Protocol):
    """Publishes stored events to the readers of their conversations."""

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over events that are committed, in order of sequence per conversation. Never blocks, never fails."""
        ...

    def resync(self, conversation_id: ConversationId) -> None:
        """Send every reader of the conversation back to the store, as after a lag: it was deleted, or events may have
        passed by this feed. Never blocks, never fails."""
        ...

    def resync_all(self) -> None:
        """The same for every reader of every conversation. Never blocks, never fails."""
        ...

    def subscribe(self, conversation_id: ConversationId) -> AbstractAsyncContextManager[Subscription]:
        """See every event of the conversation that is published from the moment of entering on."""
        ...
