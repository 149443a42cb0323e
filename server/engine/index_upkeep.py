"""Indexes the messages of before there was a search, and removes from the index what was deleted."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock

_BATCH: Final = 64
_PAGES: Final = 256


class IndexUpkeep:
    """Takes steps so short that other units do not wait, with pauses between them; a process that is killed goes on
    where it was, or another does."""

    INTERVAL: Final = timedelta(minutes=1)
    PAUSE: Final = timedelta(milliseconds=2)

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def tend(self) -> None:
        """Do what there is to do. Raises `StoreUnavailable`."""
        if not await self._store.read_system(lambda tx: tx.index_is_whole()):
            await self._until_done(lambda tx: tx.index_older(limit=_BATCH))
        if await self._store.read_system(lambda tx: tx.index_needs_cleaning()):
            await self._until_done(lambda tx: tx.clean_index(effort=_PAGES))

    async def _until_done(self, step: Callable[[SystemTransaction], Awaitable[bool]]) -> None:
        while await self._store.write_system(step):
            await self._clock.sleep(self.PAUSE.total_seconds())
