"""How long a server that died is left alone."""

from collections.abc import Callable
from typing import Final

_FIRST: Final = 0.25
_LONGEST: Final = 30.0
_MOST_DOUBLINGS: Final = 16
_HEALTHY: Final = 30.0
"""Seconds after which a connection counts as having worked: its end is no reason to wait."""


class BackOff:
    """Waits twice as long after each failure, with jitter so that many services do not come back at once."""

    def __init__(self, *, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 up to 1."""
        self._random = random
        self._failures = 0

    def pause(self, *, lived: float) -> float:
        """Seconds to wait after a connection that ended `lived` seconds after it was begun."""
        if lived >= _HEALTHY:
            self._failures = 0
            return 0
        longest = min(_LONGEST, _FIRST * 2.0 ** min(self._failures, _MOST_DOUBLINGS))
        self._failures += 1
        return longest * (0.5 + self._random() / 2)
