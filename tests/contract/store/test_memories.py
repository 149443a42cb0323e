"""Memories are numbered as they change, so that who holds a copy of them can tell what it lacks."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.adapters.store.times import micros
from server.domain.ids import MemoryId, RunId
from server.domain.memory import Memory, MemoryBook, Placed, Remembered, Vector
from server.ports.store import ListPosition, Store, Transaction
from tests.contract.store.builders import ALICE, BOB, new_id

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
FIRST = micros(NOW)
ONE, OTHER = Vector("hash", bytes(range(256))), Vector("other", b"\x00\xff" * 8)


def memory(text: str = "likes tea", *, later: int = 0, run_id: str | None = None) -> Memory:
    moment = NOW + timedelta(seconds=later)
    return Memory(MemoryId(new_id()), text, moment, moment, RunId(run_id) if run_id else None)


async def added(store: Store, *memories: Memory) -> list[MemoryBook]:
    async def unit(tx: Transaction) -> list[MemoryBook]:
        return [await tx.memories.add(each, ONE) for each in memories]

    return await store.write(ALICE, unit)


async def book(store: Store) -> MemoryBook:
    return await store.read(ALICE, lambda tx: tx.memories.book())


async def test_memories_come_back_as_they_were_stored_the_newest_first(store: Store) -> None:
    first, second = memory(), memory("lives in 東京\n☕", later=1, run_id="run_1")
    assert await added(store, first, second) == [MemoryBook(FIRST, 1), MemoryBook(FIRST + 1, 2)]
    assert await store.read(ALICE, lambda tx: tx.memories.get(second.id)) == second
    assert await store.read(ALICE, lambda tx: tx.memories.page(limit=9, after=None)) == [second, first]
    behind = ListPosition(time=second.created_at, id=second.id)
    assert await store.read(ALICE, lambda tx: tx.memories.page(limit=9, after=behind)) == [first]
    assert await store.read(ALICE, lambda tx: tx.memories.changes(after=0, limit=9)) == [
        Remembered(first.id, FIRST, first.text, ONE),
        Remembered(second.id, FIRST + 1, second.text, ONE),
    ]


async def test_many_are_fetched_by_their_ids(store: Store) -> None:
    made = [memory(str(number), later=number) for number in range(70)]
    await added(store, *made)
    wanted = [each.id for each in made[3:]]
    found = await store.read(ALICE, lambda tx: tx.memories.among([*wanted, MemoryId("none")]))
    assert sorted(each.id for each in found) == sorted(wanted)
    assert await store.read(ALICE, lambda tx: tx.memories.among([])) == []


async def test_a_change_moves_a_memory_to_the_end_of_the_changes(store: Store) -> None:
    first, second = memory(), memory(later=1)
    await added(store, first, second)
    changed = replace(first, text="likes coffee", updated_at=NOW + timedelta(days=1))
    assert await store.write(ALICE, lambda tx: tx.memories.save(changed, OTHER))
    assert await book(store) == MemoryBook(FIRST + 2, 2)
    assert await store.read(ALICE, lambda tx: tx.memories.get(first.id)) == changed
    assert await store.read(ALICE, lambda tx: tx.memories.changes(after=FIRST, limit=1)) == [
        Remembered(second.id, FIRST + 1, second.text, ONE)
    ]
    assert await store.read(ALICE, lambda tx: tx.memories.changes(after=FIRST + 1, limit=9)) == [
        Remembered(first.id, FIRST + 2, "likes coffee", OTHER)
    ]


async def test_what_is_removed_is_gone_and_counts_no_more(store: Store) -> None:
    first, second = memory(), memory()
    await added(store, first, second)
    assert await store.write(ALICE, lambda tx: tx.memories.remove(first.id))
    assert not await store.write(ALICE, lambda tx: tx.memories.remove(first.id))
    assert await book(store) == MemoryBook(FIRST + 2, 1)
    assert await store.read(ALICE, lambda tx: tx.memories.ids()) == {second.id}
    assert not await store.write(ALICE, lambda tx: tx.memories.save(first, ONE))


async def test_a_vector_is_replaced_unless_its_memory_has_changed(store: Store) -> None:
    made = memory()
    await added(store, made)
    known = Placed(made.id, FIRST, ONE.embedder)
    assert await store.write(ALICE, lambda tx: tx.memories.replace_vector(known, OTHER))
    assert not await store.write(ALICE, lambda tx: tx.memories.replace_vector(known, ONE))
    (now,) = await store.read(ALICE, lambda tx: tx.memories.changes(after=FIRST, limit=9))
    assert (now.vector, now.text) == (OTHER, made.text)
    assert await store.read(ALICE, lambda tx: tx.memories.get(made.id)) == made


async def test_nobody_sees_or_changes_anothers(store: Store) -> None:
    made = memory()
    await added(store, made)
    assert await store.read(BOB, lambda tx: tx.memories.get(made.id)) is None
    assert await store.read(BOB, lambda tx: tx.memories.among([made.id])) == []
    assert await store.read(BOB, lambda tx: tx.memories.page(limit=9, after=None)) == []
    assert await store.read(BOB, lambda tx: tx.memories.changes(after=0, limit=9)) == []
    assert await store.read(BOB, lambda tx: tx.memories.ids()) == set()
    assert await store.read(BOB, lambda tx: tx.memories.book()) == MemoryBook()
    assert not await store.write(BOB, lambda tx: tx.memories.save(replace(made, text="mine"), OTHER))
    assert not await store.write(BOB, lambda tx: tx.memories.remove(made.id))
    assert await store.read(ALICE, lambda tx: tx.memories.get(made.id)) == made


async def test_changes_at_once_are_numbered_without_gap(store: Store) -> None:
    books = await asyncio.gather(*(added(store, memory(str(number))) for number in range(20)))
    assert sorted(each.revision for (each,) in books) == list(range(FIRST, FIRST + 20))
    assert await book(store) == MemoryBook(FIRST + 19, 20)
