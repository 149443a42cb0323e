"""Publishes events of concurrent transactions in the order of each conversation's log.

The reply to a commit can overtake the reply to the one before it, for they come over two connections. What decides is
the order in which transactions numbered their events, which they do one after the other, under the conversation's lock.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from enum import Enum, auto

from server.domain.events import Event
from server.domain.ids import ConversationId
from server.ports.feed import Feed


class _State(Enum):
    OPEN = auto()
    COMMITTED = auto()
    VOID = auto()
    UNKNOWN = auto()


class Publication:
    """The events of one transaction."""

    def __init__(self, publisher: "Publisher") -> None:
        self.state = _State.OPEN
        self.events: dict[ConversationId, list[Event]] = {}
        self._publisher = publisher
        self._published = asyncio.Event()

    def add(self, events: Sequence[Event]) -> None:
        """Take events that the transaction has just numbered."""
        for event in events:
            if event.conversation_id not in self.events:
                self.events[event.conversation_id] = []
                self._publisher.enqueue(event.conversation_id, self)
            self.events[event.conversation_id].append(event)

    @property
    def all(self) -> list[Event]:
        """Everything that was taken and not published yet."""
        return [event for events in self.events.values() for event in events]

    @property
    def first(self) -> Event | None:
        """The event that was taken first."""
        return next((events[0] for events in self.events.values()), None)

    def void(self) -> None:
        """The transaction was undone. Does nothing to one that is settled."""
        self._settle(_State.VOID)

    def unknown(self) -> None:
        """Nobody can say now whether it was committed: readers are sent to the store."""
        self._settle(_State.UNKNOWN)

    async def committed(self) -> None:
        """The transaction is durable. Returns once its events are published, in their turn."""
        self._settle(_State.COMMITTED)
        if self.events:
            await self._published.wait()

    def taken(self, conversation_id: ConversationId) -> list[Event]:
        """The events of one conversation, whose turn has come."""
        events = self.events.pop(conversation_id)
        if not self.events:
            self._published.set()
        return events

    def _settle(self, state: _State) -> None:
        if self.state is not _State.OPEN:
            return
        self.state = state
        self._publisher.flush(list(self.events))


class Publisher:
    """Keeps, for every conversation with transactions under way, those transactions in the order of its log."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: dict[ConversationId, deque[Publication]] = {}

    def publication(self) -> Publication:
        """One for a new transaction. It must be settled: `committed`, `void` or `unknown`."""
        return Publication(self)

    def enqueue(self, conversation_id: ConversationId, publication: Publication) -> None:
        """Note whose turn it is next in a conversation."""
        self._waiting.setdefault(conversation_id, deque()).append(publication)

    def flush(self, conversation_ids: Sequence[ConversationId]) -> None:
        """Publish what no earlier transaction holds up."""
        for conversation_id in conversation_ids:
            waiting = self._waiting[conversation_id]
            while waiting and waiting[0].state is not _State.OPEN:
                self._publish(conversation_id, waiting.popleft())
            if not waiting:
                del self._waiting[conversation_id]

    def _publish(self, conversation_id: ConversationId, publication: Publication) -> None:
        events = publication.taken(conversation_id)
        if publication.state is _State.COMMITTED:
            self._feed.publish(events)
        elif publication.state is _State.UNKNOWN:
            self._feed.resync(conversation_id)
