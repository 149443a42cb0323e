"""Patterns: RE2 over the text as it is written. Matching is linear in the text whatever the pattern."""

import re
from collections.abc import Sequence
from typing import Final

import re2  # type: ignore[import-untyped]  # ships no stubs

from server.adapters.guardrails.match import Match
from server.adapters.guardrails.pattern_width import longest_match
from server.ports.guardrails import Rule

MOST_CHARACTERS: Final = 512
_MEMORY: Final = 8 << 20
# What looks beyond its match: at its end it may hold or not, depending on what follows.
_LOOKS_AHEAD: Final = re.compile(r"\$|\\[bBz]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class InvalidPattern(Exception):
    """RE2 does not take the pattern, or it says nothing of a text; the message says why."""


class Pattern:
    """One rule, compiled."""

    __slots__ = ("_compiled", "longest", "looks_ahead", "rule")

    def __init__(self, rule: Rule, pattern: str) -> None:
        """Raises `InvalidPattern`."""
        self.rule = rule
        self._compiled = compiled(pattern)
        if self._compiled.search("") is not None:
            raise InvalidPattern("it matches the empty text, hence every text")
        self.longest = longest_match(pattern)
        """Characters of the longest match; `None`: unbounded."""
        self.looks_ahead = _LOOKS_AHEAD.search(pattern) is not None
        """Whether a match at the end of a text may be none when the text goes on."""

    @property
    def held_back(self) -> int | None:
        """How many characters of a text without a match its next ones may make part of one; `None`: all."""
        return self.longest if self.longest is None or self.looks_ahead else max(self.longest - 1, 0)

    def find(self, text: str, start: int = 0) -> tuple[int, int] | None:
        """Where the leftmost match at or behind `start` begins and ends; what stands before `start` is seen."""
        found = self._compiled.search(text, start)
        return None if found is None else (found.start(), found.end())


class Patterns:
    """Patterns of a configuration, immutable."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._ahead = tuple(pattern for pattern in patterns if pattern.looks_ahead)
        bounds = [pattern.held_back for pattern in patterns]
        self.held_back = None if None in bounds else max((bound for bound in bounds if bound is not None), default=0)
        """How many characters at the end of a text may become part of a match; `None`: all."""

    def find(self, text: str, start: int, *, is_whole: bool) -> Match | None:
        """The match that begins first, at or behind `start`. Unless the text `is_whole`, only matches that what follows
        cannot change."""
        text = searchable(text)
        matches = [
            Match(found[0], pattern.rule)
            for pattern in self._patterns
            if (found := pattern.find(text, start)) is not None
            and (is_whole or not pattern.looks_ahead or found[1] < len(text))
        ]
        return min(matches, key=lambda match: match.start, default=None)

    def cut(self, text: str, start: int) -> int | None:
        """Where a match begins that the text has only because it ends there; at its end when it has no character."""
        text = searchable(text)
        places = [found[0] for pattern in self._ahead if (found := pattern.find(text, start)) is not None]
        return min(places, default=None)


def compiled(pattern: str, *, memory: int = _MEMORY) -> "re2._Regexp":
    """The pattern, which may take so many bytes. Raises `InvalidPattern`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise InvalidPattern(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


def searchable(text: str) -> str:
    """The text as RE2 takes it: halves of surrogate pairs, which JSON can hold, replaced one by one."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
