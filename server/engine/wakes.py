"""Wakes what waits in this process when another one has done something: its streams, and the loops of its worker."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from server.domain.ids import ConversationId
from server.ports.feed import Feed


class Bells:
    """Events that are set together."""

    def __init__(self, *bells: asyncio.Event) -> None:
        self._bells = bells

    def set(self) -> None:
        """Set each of them."""
        for bell in self._bells:
            bell.set()


class Wakes:
    """Implements `ports.peers.Peers`. Made before the store that tells it and the engine that waits on it."""

    def __init__(
        self, feed: Feed, *, outbox: asyncio.Event | Bells | None = None, patience: timedelta = timedelta(0)
    ) -> None:
        """`outbox` is set when there may be something to publish. `patience` is how long events of other processes may
        take to come by another way before their readers are sent to the store; without one it is at once."""
        self._feed = feed
        self._outbox = outbox or asyncio.Event()
        self._patience = patience.total_seconds()
        self._awaited: set[ConversationId] = set()
        self.lost = asyncio.Event()
        """Set when a run of this process may have been ended elsewhere; cleared by the loop that renews leases."""
        self.work = asyncio.Event()
        """Set when somebody's run may wait for a worker; cleared by the loop that recovers."""
        self.concerns: Callable[[ConversationId], bool] = lambda _: False
        """Whether this process executes a run of a conversation; the engine says so."""

    def events_stored(self, conversation_id: ConversationId) -> None:
        """See `Peers`: readers go back to the store, soon."""
        self._outbox.set()
        if not self._patience:
            self._feed.resync(conversation_id)
        elif conversation_id not in self._awaited:
            self._awaited.add(conversation_id)
            asyncio.get_running_loop().call_later(self._patience, self._resync, conversation_id)

    def run_ended(self, conversation_id: ConversationId) -> None:
        """See `Peers`: another's run is nobody's business here."""
        if self.concerns(conversation_id):
            self.lost.set()

    def work_left(self) -> None:
        """See `Peers`."""
        self.work.set()

    def news_lost(self) -> None:
        """See `Peers`."""
        self._feed.resync_all()
        self._outbox.set()
        self.lost.set()
        self.work.set()

    def _resync(self, conversation_id: ConversationId) -> None:
        self._awaited.discard(conversation_id)
        self._feed.resync(conversation_id)
