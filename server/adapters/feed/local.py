"""The feed of a single process: hands committed events to the readers of their conversations, in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from server.domain.events import Event, weight
from server.domain.ids import ConversationId
from server.domain.limits import Limits
from server.ports.feed import SubscriptionLagged


class LocalSubscription:
    """One reader's buffer: bounded in bytes, dropped as a whole when it is full."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._events: list[Event] = []
        self._bytes = 0
        self._lagged = False
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, events: Sequence[Event]) -> None:
        """Take published events; when they do not fit, everything is dropped and the reader told so."""
        if self._lagged:
            return
        self._bytes += sum(weight(event) for event in events)
        if self._bytes > self._limit:
            self.lose()
            return
        self._events.extend(events)
        self._wake()

    def lose(self) -> None:
        """Drop everything: the reader goes back to the store."""
        self._events.clear()
        self._bytes = 0
        self._lagged = True
        self._wake()

    async def next(self, within: float) -> Sequence[Event] | None:
        """See `ports.feed.Subscription`."""
        if not self._events and not self._lagged:
            await self._wait(within)
        if self._lagged:
            self._lagged = False
            raise SubscriptionLagged
        events, self._events, self._bytes = self._events, [], 0
        return events or None

    async def _wait(self, within: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = loop.call_later(within, _resolve, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None:
            _resolve(self._waiter)


class LocalFeed:
    """See `ports.feed.Feed`. Belongs to one event loop; every method is called on it."""

    def __init__(self, *, limits: Limits | None = None, stored: Callable[[], None] = lambda: None) -> None:
        """`stored` is called whenever events were committed, whether anybody reads them here or not."""
        self._limits = limits or Limits()
        self._stored = stored
        self._readers: dict[ConversationId, set[LocalSubscription]] = {}
        self._latest: dict[ConversationId, int] = {}

    def publish(self, events: Sequence[Event]) -> None:
        """Hand over committed events; readers that are too slow lose theirs, nobody waits for them."""
        self._stored()
        self.show(events)

    def show(self, events: Sequence[Event]) -> None:
        """Hand over events that another process has committed, or that may have been handed over before."""
        if not self._readers:
            return
        by_conversation: dict[ConversationId, list[Event]] = {}
        for event in events:
            if event.conversation_id in self._readers:
                by_conversation.setdefault(event.conversation_id, []).append(event)
        for conversation_id, published in by_conversation.items():
            self._latest[conversation_id] = published[-1].sequence
            for reader in self._readers[conversation_id]:
                reader.offer(published)

    def lacks(self, conversation_id: ConversationId, sequence: int) -> bool:
        """Whether somebody reads the conversation here and was not handed over that event, nor a later one."""
        return conversation_id in self._readers and self._latest.get(conversation_id, 0) < sequence

    def resync(self, conversation_id: ConversationId) -> None:
        """Send every reader of the conversation back to the store."""
        for reader in self._readers.get(conversation_id, ()):
            reader.lose()

    def resync_all(self) -> None:
        """Send every reader back to the store."""
        for conversation_id in tuple(self._readers):
            self.resync(conversation_id)

    @asynccontextmanager
    async def subscribe(self, conversation_id: ConversationId) -> AsyncIterator[LocalSubscription]:
        """See every event of the conversation from now on."""
        reader = LocalSubscription(limit_bytes=self._limits.stream_buffer_bytes)
        readers = self._readers.setdefault(conversation_id, set())
        readers.add(reader)
        try:
            yield reader
        finally:
            readers.discard(reader)
            if not readers and self._readers.get(conversation_id) is readers:
                del self._readers[conversation_id]
                self._latest.pop(conversation_id, None)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
