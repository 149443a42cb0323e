"""Memories of a caller: written, read, changed, destroyed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from server.application.guard import Guard
from server.application.memory_search import MemorySearch
from server.application.metering import Bill, Meter
from server.application.paging import Page, cut, list_position, list_token
from server.application.repeats import Done, Repeats
from server.domain.audit import Act, Deed
from server.domain.errors import ParleyError
from server.domain.ids import MemoryId
from server.domain.limits import Limits
from server.domain.memory import Memory, ScoredMemory, Vector
from server.domain.memory_errors import MemoryNotFound, TooManyMemories
from server.domain.principal import Owner, Principal
from server.ports.memories import Embedder
from server.ports.store import ListPosition, Store, Transaction
from server.ports.system import Clock, Ids

_KIND = "memories"


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to besides the text, which the request has."""

    id: MemoryId
    created_at: datetime
    updated_at: datetime


class Memories:
    """Memories of a caller."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        embedder: Embedder,
        search: MemorySearch,
        limits: Limits,
        repeats: Repeats,
        guard: Guard,
        meter: Meter,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._embedder = embedder
        self._search = search
        self._limits = limits
        self._repeats = repeats
        self._guard = guard
        self._meter = meter

    async def add(self, principal: Principal, text: str) -> Memory:
        """Remember something. Raises `TooManyMemories`, `EmbedderUnavailable`, `ContentRefused`, `BudgetExceeded`,
        `ModelUnpriced`."""
        await self._guard.check(text)
        vector, bill = await self._embedded(principal, text)
        most = self._limits.memories

        async def unit(tx: Transaction) -> Written:
            now = self._clock.now()
            memory = Memory(MemoryId(str(self._ids.uuid())), text, now, now)
            if (await tx.memories.add(memory, vector)).count > most:
                raise TooManyMemories(most)
            await bill.account(tx)
            return Written(memory.id, now, now)

        done = await self._written(principal, unit, bill)
        return Memory(done.result.id, text, done.result.created_at, done.result.updated_at)

    async def get(self, owner: Owner, memory_id: MemoryId) -> Memory:
        """A memory. Raises `MemoryNotFound`."""
        found = await self._store.read(owner, lambda tx: tx.memories.get(memory_id))
        if found is None:
            raise MemoryNotFound(memory_id)
        return found

    async def page(self, owner: Owner, *, page_size: int, page_token: str) -> Page[Memory]:
        """Memories, the newest first. Raises `InvalidPageToken`."""
        size, after = page_size or self._limits.default_page, list_position(_KIND, page_token)
        found = await self._store.read(owner, lambda tx: tx.memories.page(limit=size + 1, after=after))
        return cut(found, size, lambda memory: list_token(_KIND, ListPosition(time=memory.created_at, id=memory.id)))

    async def search(self, principal: Principal, query: str, *, limit: int, least: float) -> list[ScoredMemory]:
        """What fits best, with at least that score. Raises `EmbedderUnavailable`, `BudgetExceeded`,
        `ModelUnpriced`."""
        bill, most = await self._meter.of_request(principal, self._embedder), limit or self._limits.memories_found
        try:
            found = await self._search.find(principal.owner, query, limit=most, bill=bill)
        finally:
            await bill.close()
        return [each for each in found if each.score >= least]

    async def update(self, principal: Principal, memory_id: MemoryId, text: str) -> Memory:
        """Put another text in the place of a memory's. Raises `MemoryNotFound`, and what `add` raises."""
        await self.get(principal.owner, memory_id)
        await self._guard.check(text)
        vector, bill = await self._embedded(principal, text)

        async def unit(tx: Transaction) -> Written:
            old = await tx.memories.get(memory_id)
            if old is None:
                raise MemoryNotFound(memory_id)
            new = replace(old, text=text, updated_at=max(old.updated_at, self._clock.now()))
            if not await tx.memories.save(new, vector):
                raise MemoryNotFound(memory_id)
            await bill.account(tx)
            return Written(new.id, new.created_at, new.updated_at)

        done = await self._written(principal, unit, bill)
        return Memory(memory_id, text, done.result.created_at, done.result.updated_at)

    async def delete(self, principal: Principal, memory_id: MemoryId) -> None:
        """Destroy a memory. Raises `MemoryNotFound`."""

        async def unit(tx: Transaction) -> Gone:
            if not await tx.memories.remove(memory_id):
                raise MemoryNotFound(memory_id)
            return Gone(memory_id)

        await self._repeats.write(principal, Gone, unit, deeds=lambda gone: [Deed(Act.MEMORY_DELETED, gone.id)])

    async def _embedded(self, principal: Principal, text: str) -> tuple[Vector, Bill]:
        """The vector of a text, and what is to be accounted for it."""
        bill = await self._meter.of_request(principal, self._embedder)
        try:
            (vector,) = await bill.embed(self._embedder, [text])
        except BaseException:
            await bill.close()
            raise
        return vector, bill

    async def _written(
        self, principal: Principal, unit: Callable[[Transaction], Awaitable[Written]], bill: Bill
    ) -> Done[Written]:
        """Carry out a write that accounts the bill. Also of a write that is refused, or was done before, the vector
        was paid; of one that is cancelled nobody knows whether it has been accounted."""
        try:
            done = await self._repeats.write(principal, Written, unit)
        except ParleyError:
            await bill.close()
            raise
        if done.repeated:
            await bill.close()
        return done


@dataclass(frozen=True, slots=True)
class Gone:
    """A memory that was destroyed."""

    id: MemoryId
