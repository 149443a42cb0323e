"""The local feed, with a memory."""

from collections.abc import Sequence

from server.adapters.feed.local import LocalFeed
from server.domain.events import Event


class RecordingFeed(LocalFeed):
    """The feed of a process that also keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Event] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.published += events
        super().publish(events)
