"""Rooms as the bot sees them: something to hear from and to speak into, and who comes and goes."""

from collections.abc import Callable
from typing import Protocol

from pipecat.transports.base_transport import BaseTransport

from server.adapters.voice.link import Start


class RoomEvents(Protocol):
    """What a room tells of itself. Called on the event loop; each method returns at once and raises nothing."""

    def joined(self) -> None:
        """The bot is in the room."""

    def not_joined(self, fact: str) -> None:
        """The bot cannot get into the room; `fact` is for the operator and tells neither the token nor the address."""

    def removed(self) -> None:
        """The bot is no longer in the room, and did not leave by itself."""

    def arrived(self, participant: str) -> None:
        """Somebody else is in the room: an id."""

    def gone(self, participant: str) -> None:
        """Somebody who was in the room left it."""


OpenRoom = Callable[[Start, RoomEvents], BaseTransport]
"""Makes the way into a room. It joins when the pipeline begins, and leaves when that ends."""
