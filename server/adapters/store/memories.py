"""Memories of the transaction's owner."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import bindparam, delete, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.paging import LIMIT, list_parameters, listed_after
from server.adapters.store.scope import Scope
from server.adapters.store.statement import OWNER, TENANT, Owned, owned, owned_insert, parameter
from server.adapters.store.times import micros, moment
from server.domain.ids import MemoryId
from server.domain.memory import Memory, MemoryBook, Placed, Remembered, Vector
from server.ports.store import ListPosition

_table = tables.memories
_c = _table.c
_books = tables.memory_books
_b = _books.c
_COLUMNS: Final = (_c.id, _c.text, _c.created_at, _c.updated_at, _c.run_id)
_INDEXED: Final = (_c.id, _c.revision, _c.text, _c.embedder, _c.vector)
_ADD = owned_insert(_table)
_GET = owned(select(*_COLUMNS).where(_c.id == parameter(_c.id)), _table)
_newest_first = select(*_COLUMNS).order_by(_c.created_at.desc(), _c.id.desc())
_PAGE = owned(_newest_first.where(listed_after(_c.created_at, _c.id)).limit(LIMIT), _table)
_ALL_IDS = owned(select(_c.id), _table)
_CHANGES = owned(
    select(*_INDEXED).where(_c.revision > parameter(_c.revision, "after")).order_by(_c.revision).limit(LIMIT), _table
)
_vector = {"embedder": parameter(_c.embedder, "new_embedder"), "vector": parameter(_c.vector, "new_vector")}
_revised = {**_vector, "revision": parameter(_c.revision, "new_revision")}
_changed = {
    **_revised,
    "text": parameter(_c.text, "new_text"),
    "updated_at": parameter(_c.updated_at, "new_updated_at"),
}
_SAVE = owned(update(_table).where(_c.id == parameter(_c.id)).values(_changed).returning(_c.id), _table)
_REPLACE = owned(
    update(_table)
    .where(_c.id == parameter(_c.id), _c.revision == parameter(_c.revision, "known"))
    .values(_revised)
    .returning(_c.id),
    _table,
)
_REMOVE = owned(delete(_table).where(_c.id == parameter(_c.id)).returning(_c.id), _table)
_BOOK = owned(select(_b.revision, _b.memories), _books)
# The row that makes changes of one owner's memories wait for each other, so that revisions come in commit order. The
# first is a time: no book that is begun anew after an erasure repeats a revision that somebody remembers.
_counted = _b.memories + parameter(_b.memories, "more")
_next = _b.revision + literal_column("1")
_ENTER = Owned(
    insert(_books)
    .values(
        tenant=bindparam(TENANT),
        owner=bindparam(OWNER),
        revision=parameter(_b.revision, "first"),
        memories=parameter(_b.memories, "more"),
    )
    .on_conflict_do_update(index_elements=[_b.tenant, _b.owner], set_={"revision": _next, "memories": _counted})
    .returning(_b.revision, _b.memories)
)
_TURN = owned(update(_books).values(revision=_next, memories=_counted).returning(_b.revision, _b.memories), _books)


class StoredMemories:
    """See `ports.memories.Memories`."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def add(self, memory: Memory, vector: Vector) -> MemoryBook:
        """Store a new one."""
        row = await self._scope.fetch_one(_ENTER, more=1, first=micros(memory.created_at))
        assert row is not None  # noqa: S101 - the statement returns the row that it makes or changes
        book = MemoryBook(*row)
        await self._scope.fetch(
            _ADD,
            id=memory.id,
            text=memory.text,
            embedder=vector.embedder,
            vector=vector.data,
            revision=book.revision,
            run_id=memory.run_id,
            created_at=micros(memory.created_at),
            updated_at=micros(memory.updated_at),
        )
        return book

    async def get(self, memory_id: MemoryId) -> Memory | None:
        """The one of that id."""
        row = await self._scope.fetch_one(_GET, id=memory_id)
        return None if row is None else _memory(row)

    async def among(self, memory_ids: Collection[MemoryId]) -> list[Memory]:
        """Those of these ids. One by one: asked for several at once, SQLite looks through all of the owner's."""
        rows = [await self._scope.fetch_one(_GET, id=memory_id) for memory_id in memory_ids]
        return [_memory(row) for row in rows if row is not None]

    async def page(self, *, limit: int, after: ListPosition | None) -> list[Memory]:
        """The newest first."""
        return [_memory(row) for row in await self._scope.fetch(_PAGE, **list_parameters(limit, after))]

    async def save(self, memory: Memory, vector: Vector) -> bool:
        """Overwrite what may change."""
        if (book := await self._turn(0)) is None:
            return False
        changed = {"new_text": memory.text, "new_updated_at": micros(memory.updated_at), **_new(vector, book)}
        return await self._scope.fetch_one(_SAVE, id=memory.id, **changed) is not None

    async def replace_vector(self, placed: Placed, vector: Vector) -> bool:
        """Only of what has not changed."""
        if (book := await self._turn(0)) is None:
            return False
        row = await self._scope.fetch_one(_REPLACE, id=placed.id, known=placed.revision, **_new(vector, book))
        return row is not None

    async def remove(self, memory_id: MemoryId) -> bool:
        """Destroy one."""
        if await self._scope.fetch_one(_REMOVE, id=memory_id) is None:
            return False
        await self._turn(-1)
        return True

    async def book(self) -> MemoryBook:
        """How far it has got."""
        row = await self._scope.fetch_one(_BOOK)
        return MemoryBook() if row is None else MemoryBook(*row)

    async def changes(self, *, after: int, limit: int) -> list[Remembered]:
        """By revision."""
        rows = await self._scope.fetch(_CHANGES, after=after, limit=limit)
        return [Remembered(key, revision, text, Vector(embedder, data)) for key, revision, text, embedder, data in rows]

    async def ids(self) -> set[MemoryId]:
        """All of them."""
        return {row[0] for row in await self._scope.fetch(_ALL_IDS)}

    async def _turn(self, more: int) -> MemoryBook | None:
        """The next revision; `None` for an owner without memories."""
        row = await self._scope.fetch_one(_TURN, more=more)
        return None if row is None else MemoryBook(*row)


def _new(vector: Vector, book: MemoryBook) -> dict[str, Any]:
    return {"new_embedder": vector.embedder, "new_vector": vector.data, "new_revision": book.revision}


def _memory(row: Row) -> Memory:
    identity, text, created, updated, run_id = row
    return Memory(identity, text, moment(created), moment(updated), run_id)
