"""Guardrails: the operator's rules about what may be said to a model, and by one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class RuleKind(StrEnum):
    """How a rule is applied."""

    WORD = "word"
    PHRASE = "phrase"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as operators find it in their configuration; never shown to a caller, and without its content."""

    kind: RuleKind
    place: str
    """Where it stands, such as `guardrails.words[2]`."""


class Blocked(Exception):
    """A text breaks a rule. `clean` is what of it may still leave: it follows what has left, and breaks no rule."""

    def __init__(self, rule: Rule, clean: str) -> None:
        super().__init__(rule.place)
        self.rule = rule
        self.clean = clean


class TextFilter(Protocol):
    """Lets one text through while it grows, except what breaks a rule.

    What has left is at every moment a beginning of the text, and breaks no rule taken by itself. Held back is only what
    may still come to break one. How the text is sliced makes no difference to whether it is blocked. After `Blocked`
    or `end` a filter is not used again.
    """

    def add(self, text: str) -> str:
        """Take the next piece; returns what may leave now, which may be nothing. Raises `Blocked`."""

    def end(self) -> str:
        """The text is whole; returns the rest of it. Raises `Blocked`."""


class Guardrails(Protocol):
    """The rules. Any exception but `Blocked` means that a text could not be judged; it must then not pass."""

    @property
    def version(self) -> str:
        """Changes with the rules and with how they are applied."""

    def broken_by(self, text: str) -> Rule | None:
        """A rule that a whole text breaks. Safe from any thread; megabytes may take a second."""

    def filter(self) -> TextFilter:
        """A filter for one text that comes in pieces."""
