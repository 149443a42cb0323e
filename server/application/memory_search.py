"""Finds memories: brings the index of their owner up to date, asks it, and reads what it names."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import structlog

from server.application.metering import Bill
from server.domain.memory import MemoryBook, Placed, Remembered, ScoredMemory, Vector
from server.domain.memory_errors import EmbedderUnavailable
from server.domain.principal import Owner
from server.ports.memories import Embedder, MemoryIndex, MemoryIndexes
from server.ports.store import Store, Transaction

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_LOADED_AT_ONCE: Final = 1000
_RENEWED_AT_ONCE: Final = 64
"""How many vectors of another embedder a search replaces: memories of before a change of the embedder."""
_IDLE: Final = timedelta(minutes=10)
_QUICK: Final = 2000
"""Up to so many memories are searched faster than another thread is asked to."""


class MemorySearch:
    """Searches memories. What it keeps of them in this process it gives up when a user has not searched for a while."""

    INTERVAL: Final = timedelta(minutes=1)
    """How often to `tidy`."""

    def __init__(self, *, store: Store, embedder: Embedder, indexes: MemoryIndexes) -> None:
        self._store = store
        self._embedder = embedder
        self._indexes = indexes
        self._locks: WeakValueDictionary[Owner, asyncio.Lock] = WeakValueDictionary()

    async def find(
        self, owner: Owner, text: str, *, limit: int, bill: Bill, vector: Vector | None = None
    ) -> list[ScoredMemory]:
        """What fits a text best, the best first: of the memories that are there now, whichever process stored them.
        `vector` is the text's, where somebody has it already; the `bill` is for what others cost.

        Raises `EmbedderUnavailable`, `StoreUnavailable`.
        """
        if vector is None:
            (vector,) = await bill.embed(self._embedder, [text])
        lock = self._locks.setdefault(owner, asyncio.Lock())
        async with lock:
            index = self._indexes.of(owner)
            await self._bring_up_to_date(owner, index)
            hits = await _apart(index, lambda: index.search(text, vector, limit=limit))
            outdated = index.outdated(self._embedder.name, limit=_RENEWED_AT_ONCE)
        if outdated:
            await self._renew(owner, outdated, bill)
        found = await self._store.read(owner, lambda tx: tx.memories.among([identity for identity, _ in hits]))
        memories = {memory.id: memory for memory in found}
        return [ScoredMemory(memories[identity], score) for identity, score in hits if identity in memories]

    def forget(self, owner: Owner) -> None:
        """Give up at once what this process holds of an owner's memories. A search under way ends with what it has."""
        self._indexes.forget(owner)

    async def tidy(self) -> None:
        """Give up what nobody has asked for lately."""
        self._indexes.forget_idle(_IDLE)

    async def _bring_up_to_date(self, owner: Owner, index: MemoryIndex) -> None:
        """Take in what has changed, a page at a time, and drop what is gone."""
        while True:
            after = index.revision
            book, changes = await self._store.read(owner, lambda tx, after=after: _changes(tx, after))  # type: ignore[misc]
            if changes:
                await _apart(index, partial(index.apply, changes))
                continue
            if len(index) != book.count:
                index.retain(await self._store.read(owner, lambda tx: tx.memories.ids()))
            if len(index) or not book.count:
                index.revision = max(index.revision, book.revision)
                return

    async def _renew(self, owner: Owner, outdated: list[Placed], bill: Bill) -> None:
        """Give some memories vectors that can be compared; the next searches go on. What fails here is tried again by
        the next one."""
        found = await self._store.read(owner, lambda tx: tx.memories.among([each.id for each in outdated]))
        texts = {memory.id: memory.text for memory in found}
        there = [each for each in outdated if each.id in texts]
        try:
            vectors = await bill.embed(self._embedder, [texts[each.id] for each in there])
        except EmbedderUnavailable as error:
            _log.warning("memories_not_renewed", cause=error.message)
            return

        async def unit(tx: Transaction) -> None:
            for placed, vector in zip(there, vectors, strict=True):
                await tx.memories.replace_vector(placed, vector)

        await self._store.write(owner, unit)


async def _changes(tx: Transaction, after: int) -> tuple[MemoryBook, list[Remembered]]:
    """How far the owner's memories have got, and the first of what has changed after a revision."""
    book = await tx.memories.book()
    if book.revision <= after:
        return book, []
    return book, await tx.memories.changes(after=after, limit=_LOADED_AT_ONCE)


async def _apart(index: MemoryIndex, work: Callable[[], Result]) -> Result:
    """Do it on another thread when there is much to do, and wait for it whatever happens: nobody else may touch the
    index meanwhile."""
    if len(index) < _QUICK:
        return work()
    under_way = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait({under_way})
        raise
