"""Where events go that are told to the outside."""

from collections.abc import Sequence
from typing import Protocol

from server.domain.outbox import Removal, Unpublished


class SinkUnavailable(Exception):
    """Not everything is known to have arrived; what was sent may come again. The text is for the log: it names no
    secret."""


class EventSink(Protocol):
    """Takes events for good. May hand one over twice, and never a later one of a conversation before an earlier."""

    async def deliver(self, entries: Sequence[Unpublished]) -> None:
        """Hand over; returns once everything is safe there. Raises `SinkUnavailable` when that cannot be said within a
        time of the sink's own; it is tried again then, from the first entry."""
        ...

    async def remove(self, removals: Sequence[Removal]) -> None:
        """Tell of deleted conversations; likewise."""
        ...
