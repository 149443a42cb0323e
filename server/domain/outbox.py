"""What waits to be told to the outside: events of every conversation, and that a conversation is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from server.domain.events import Event
from server.domain.ids import ConversationId
from server.domain.principal import Owner


class Outlet(StrEnum):
    """A way to the outside; of each, one process at a time has the lease."""

    PUBLISHER = "events"
    """All events go to one sink."""
    WEBHOOKS = "webhooks"
    """What webhooks are to be told of is queued for them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the outbox something stands: ordered by conversation, then by sequence."""

    conversation_id: str
    sequence: int


BEGINNING = Place("", 0)
"""Before everything."""


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An event that nobody outside is known to have been told of, and whose it is."""

    owner: Owner
    event: Event

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.event.conversation_id, self.event.sequence)


@dataclass(frozen=True, slots=True)
class Removal:
    """A conversation that was deleted with everything in it."""

    owner: Owner
    conversation_id: ConversationId


@dataclass(frozen=True, slots=True)
class Span:
    """Events of one conversation, from a sequence to another, both included."""

    conversation_id: ConversationId
    first: int
    last: int


def spans_of(page: Sequence[Unpublished]) -> list[Span]:
    """The stretches of logs that a page consists of."""
    stretches = (list(group) for _, group in groupby(page, key=lambda entry: entry.event.conversation_id))
    return [
        Span(stretch[0].event.conversation_id, stretch[0].event.sequence, stretch[-1].event.sequence)
        for stretch in stretches
    ]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits in the outbox; counted to a bound only."""

    events: int
    oldest: datetime | None = None
    """When the oldest event of those counted was stored."""
