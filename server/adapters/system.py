"""The real clock, and ids that sort by the time they were made."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

_RANDOM_BITS: Final = 74
_RAND_B_BITS: Final = 62
_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62


class SystemClock:
    """Time as the machine and the running event loop have it."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC, microseconds. May jump when the machine's clock is set."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop; zero or less yields once."""
        await asyncio.sleep(seconds)


class SystemIds:
    """UUIDv7 (RFC 9562): 48 bits of milliseconds, then 74 bits that are random and grow within a millisecond.

    Strictly increasing within the process, whatever the wall clock does: when it stands still or jumps back, the last
    millisecond is used on (RFC 9562, 6.2, method 2: the random bits are the counter, raised by a random step so that
    the next id cannot be guessed from this one). Safe to call from any thread.
    """

    def __init__(
        self,
        *,
        time_ns: Callable[[], int] = time.time_ns,
        randbits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._time_ns = time_ns
        self._randbits = randbits
        self._lock = threading.Lock()
        self._millisecond = -1
        self._tail = 0

    def uuid(self) -> UUID:
        """A fresh UUIDv7, greater than every one made before."""
        with self._lock:
            self._advance(self._time_ns() // 1_000_000)
            millisecond, tail = self._millisecond, self._tail
        rand_a, rand_b = tail >> _RAND_B_BITS, tail & ((1 << _RAND_B_BITS) - 1)
        return UUID(int=millisecond << 80 | _VERSION | rand_a << 64 | _VARIANT | rand_b)

    def _advance(self, now: int) -> None:
        if now > self._millisecond:
            self._start(now)
            return
        self._tail += 1 + self._randbits(32)
        if self._tail >> _RANDOM_BITS:
            self._start(self._millisecond + 1)

    def _start(self, millisecond: int) -> None:
        # The top bit starts clear, so that a busy millisecond practically never runs out of larger values.
        self._millisecond = millisecond
        self._tail = self._randbits(_RANDOM_BITS - 1)
