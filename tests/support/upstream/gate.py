"""Points at which a script and its test wait for one another."""

import asyncio
from collections.abc import Callable


class Gate:
    """Holds a script where it stands in it.

    The test awaits `reached()` to know that everything before the gate was sent, and calls `open()` to let the script
    go on. One gate may stand in several scripts; it opens for all of them and stays open.
    """

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._open = asyncio.Event()

    async def reached(self) -> None:
        """Wait until a script stands at the gate."""
        await self._reached.wait()

    @property
    def is_open(self) -> bool:
        """Whether scripts pass."""
        return self._open.is_set()

    def open(self) -> None:
        """Let every script pass, now and later."""
        self._open.set()

    async def pass_through(self) -> None:
        """For scripts: report the arrival and wait."""
        self._reached.set()
        await self._open.wait()


class Changes:
    """Lets tests wait for a fact about counters that scripts change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def happened(self) -> None:
        """Something changed: every waiter looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until the fact holds."""
        while not fact():
            await self._changed.wait()
