"""What operators count beyond calls. Kinds and outcomes only: no tenant, no user, no content."""

from enum import StrEnum
from typing import Protocol


class Spoken(StrEnum):
    """Who said what was refused."""

    MESSAGE = "message"
    ANSWER = "answer"


class Figures(Protocol):
    """Counts; never fails and never waits."""

    def refused(self, spoken: Spoken, cause: str) -> None:
        """A text was refused because of a kind of rule (`RuleKind`), or as `unavailable`: it could not be judged."""

    def cached(self, *, is_hit: bool) -> None:
        """A question that the response cache may answer was answered by it, or asked of the model."""


class NoFigures:
    """Counts nothing."""

    def refused(self, spoken: Spoken, cause: str) -> None:
        """See `Figures`."""

    def cached(self, *, is_hit: bool) -> None:
        """See `Figures`."""
