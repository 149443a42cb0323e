"""The SQL function `re2_search(pattern, text)`: SQLite itself leaves out what no pattern finds."""

import sqlite3
from functools import lru_cache

from server.adapters.store.effort import EffortMeter
from server.domain.errors import SearchTooBroad
from server.domain.pattern import Pattern

_compiled = lru_cache(maxsize=256)(Pattern)


class PatternFunction:
    """The function of one connection. A search says first how much work it may make."""

    def __init__(self) -> None:
        self._meter: EffortMeter | None = None
        self._exceeded: SearchTooBroad | None = None

    def measure(self, meter: EffortMeter) -> None:
        """Count the work of the following statements with that meter."""
        self._meter = meter
        self._exceeded = None

    def taken_failure(self) -> SearchTooBroad | None:
        """Why the statement that has just failed did, if the function is why: SQLite does not pass that on."""
        exceeded, self._exceeded = self._exceeded, None
        return exceeded

    def __call__(self, pattern: str, text: str | None) -> bool:
        """Whether the pattern is found in the text; in no text it is not."""
        if text is None:
            return False
        if self._meter is not None:
            try:
                self._meter.spend()
            except SearchTooBroad as error:
                self._exceeded = error
                raise
        return _compiled(pattern).is_in(text)


class SearchingConnection(sqlite3.Connection):
    """A connection that has the function."""

    patterns: PatternFunction

    def add_patterns(self) -> None:
        """Define the function."""
        self.patterns = PatternFunction()
        self.create_function("re2_search", 2, self.patterns, deterministic=True)
