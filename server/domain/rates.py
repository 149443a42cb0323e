"""How many calls are let in a minute: limits, and the window over which calls are counted.

Calls are counted in slots of a second, and a call is let in while the current slot and the sixty before it hold fewer
than the limit. Any sixty seconds lie within such slots, so that no sixty seconds ever see more than the limit, wherever
they begin; and who is refused has had the limit within the last sixty-one. A fixed window would let twice the limit
through around its edge. A token bucket or GCRA lets twice the limit through in the minute that begins with a full
bucket, or spreads calls evenly where a burst does no harm; and of several processes' buckets no sum can be made, while
counts of seconds are simply added. The price is 61 numbers at most for whoever called in the last minute.
"""

import math
from dataclasses import dataclass
from typing import Final

WINDOW_SECONDS: Final = 60
_SLOTS: Final = WINDOW_SECONDS + 1  # the current second is not over, and so the oldest counts whole


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How often who may call; 0: as often as anybody likes. A minute, where nothing else is said."""

    per_key: int = 600
    """Calls with a key that has no limit of its own."""
    per_user: int = 600
    """Calls of a person, by tokens."""
    per_tenant: int = 0
    """Calls of all keys and persons of a tenant."""
    failures_per_address: int = 30
    """Calls from an address whose credential is not valid."""
    streams_per_caller: int = 100
    """Streams that a key, or a person, has open at a time in a process."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands with the limit that is nearest to being reached."""

    limit: int
    """Calls a minute."""
    remaining: int
    """How many more are let in at once."""
    seconds: float
    """How long until there are more than that."""

    @property
    def reset(self) -> int:
        """Whole seconds, after which there are more for certain."""
        return math.ceil(self.seconds)


class Window:
    """Calls of the last sixty seconds and the one that is not over. Times are seconds of a monotonic clock."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}  # in the order of the seconds
        self._total = 0

    def used(self, now: float) -> int:
        """How many count."""
        oldest, counts = int(now) - WINDOW_SECONDS, self._counts
        while counts:
            second = next(iter(counts))
            if second >= oldest:
                break
            self._total -= counts.pop(second)
        return self._total

    def add(self, now: float) -> None:
        """Count a call."""
        second = int(now)
        self._counts[second] = self._counts.get(second, 0) + 1
        self._total += 1

    def add_earlier(self, then: float, calls: int) -> None:
        """Count calls of a moment that may lie before others that are counted."""
        second = int(then)
        is_last = not self._counts or next(reversed(self._counts)) <= second
        self._counts[second] = self._counts.get(second, 0) + calls
        self._total += calls
        if not is_last:
            self._counts = dict(sorted(self._counts.items()))

    def standing(self, now: float, limit: int) -> Standing:
        """Where whoever may call `limit` times stands."""
        used = self.used(now)
        return Standing(limit, max(limit - used, 0), self._until_room(now, used, limit))

    def _until_room(self, now: float, used: int, limit: int) -> float:
        """Seconds until so many slots have left the window that there is more room than now."""
        for second, calls in self._counts.items():
            used -= calls
            if used < limit:
                return second + _SLOTS - now
        return 0.0
