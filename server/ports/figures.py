"""What operators count beyond calls. Kinds and outcomes only: no tenant, no user, no content."""

from enum import StrEnum
from typing import Protocol


class Spoken(StrEnum):
    """Who said what was refused."""

    MESSAGE = "message"
    ANSWER = "answer"


class Dropped(StrEnum):
    """What a tenant's retention deletes."""

    CONVERSATIONS = "conversations"
    EVENTS = "events"
    AUDIT_RECORDS = "audit_records"


class Figures(Protocol):
    """Counts; never fails and never waits."""

    def refused(self, spoken: Spoken, cause: str) -> None:
        """A text was refused because of a kind of rule (`RuleKind`), or as `unavailable`: it could not be judged."""

    def cached(self, *, is_hit: bool) -> None:
        """A question that the response cache may answer was answered by it, or asked of the model."""

    def dropped(self, what: Dropped, count: int) -> None:
        """So many things have outlived what their tenants keep, and are gone."""

    def swept(self, *, is_whole: bool) -> None:
        """A tenant was swept, to the end or not."""


class PublisherFigures(Protocol):
    """Counts what is told to the outside; likewise."""

    def published(self, events: int) -> None:
        """So many events have arrived, and are marked."""

    def failed(self) -> None:
        """An attempt to publish failed; it is made again."""

    def waiting(self, events: int, seconds: float) -> None:
        """So many events wait, the oldest for so long; none on a process that does not publish."""


class NoFigures:
    """Counts nothing."""

    def refused(self, spoken: Spoken, cause: str) -> None:
        """See `Figures`."""

    def cached(self, *, is_hit: bool) -> None:
        """See `Figures`."""

    def dropped(self, what: Dropped, count: int) -> None:
        """See `Figures`."""

    def swept(self, *, is_whole: bool) -> None:
        """See `Figures`."""
