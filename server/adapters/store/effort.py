"""Counts what patterns cost, and gives a search up that costs too much."""

import time
from typing import Final

from server.domain.errors import SearchTooBroad
from server.domain.search import Effort

# Asking the time costs as much as looking through a short text.
_TEXTS_BETWEEN_LOOKS: Final = 64


class EffortMeter:
    """The work of one search, as it is done."""

    __slots__ = ("_deadline", "_effort", "_texts")

    def __init__(self, effort: Effort) -> None:
        self._effort = effort
        self._texts = 0
        self._deadline = time.monotonic() + effort.time.total_seconds()

    def spend(self) -> None:
        """One more text is looked through. Raises `SearchTooBroad`."""
        if self._texts >= self._effort.texts:
            raise SearchTooBroad
        if self._texts % _TEXTS_BETWEEN_LOOKS == 0 and time.monotonic() >= self._deadline:
            raise SearchTooBroad
        self._texts += 1
