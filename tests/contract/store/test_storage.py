"""Folders, files and leaves to upload: as the use cases of storage need them, on every database."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from server.domain.file_name import name_key
from server.domain.ids import FileId, FolderId, UploadId
from server.domain.principal import Owner
from server.domain.storage import EntryPosition, Folder, StoredFile, UploadGrant, Usage
from server.domain.storage_errors import FolderNotFound
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, at, new_id


def folder(name: str, parent: Folder | None = None) -> Folder:
    identity = FolderId(new_id())
    return Folder(identity, f"{parent.path}/{identity}" if parent else identity, name, at(1))


def stored_file(name: str, place: Folder | None = None, **fields: Any) -> StoredFile:
    made = StoredFile(
        id=FileId(new_id()),
        folder_id=place.id if place else None,
        name=name,
        media_type="text/plain",
        size=3,
        sha256="ab" * 32,
        tags=(),
        created_at=at(1),
        updated_at=at(2),
    )
    return replace(made, **fields)


def grant(place: Folder | None = None, **fields: Any) -> UploadGrant:
    made = UploadGrant(
        id=UploadId(new_id()),
        folder_id=place.id if place else None,
        name="sent.txt",
        declared_type="text/plain",
        size=None,
        sha256="",
        tags=("a", "b"),
        created_at=at(0),
        expires_at=at(60),
    )
    return replace(made, **fields)


async def keep(store: Store, *items: Folder | StoredFile | UploadGrant, owner: Owner = ALICE) -> None:
    async def unit(tx: Transaction) -> None:
        for item in items:
            if isinstance(item, Folder):
                await tx.storage.add_folder(item)
            elif isinstance(item, StoredFile):
                await tx.storage.add_file(item)
            else:
                await tx.storage.add_grant(item)

    await store.write(owner, unit)


async def names(
    store: Store,
    place: Folder | None = None,
    *,
    tag: str | None = None,
    limit: int = 99,
    after: EntryPosition | None = None,
    owner: Owner = ALICE,
) -> list[str]:
    async def unit(tx: Transaction) -> list[Folder | StoredFile]:
        return await tx.storage.entries(place.id if place else None, tag=tag, limit=limit, after=after)

    return [entry.name for entry in await store.read(owner, unit)]


async def usage(store: Store, owner: Owner = ALICE) -> Usage:
    return await store.read(owner, lambda tx: tx.storage.usage())


async def test_what_is_added_comes_back_equal(store: Store) -> None:
    outer = folder("Überlänge")
    inner = folder("b", outer)
    file = stored_file("A 報告.txt", inner, size=2**40, tags=("one", "two_%"))
    await keep(store, outer, inner, file)
    assert await store.read(ALICE, lambda tx: tx.storage.folder(inner.id)) == inner
    assert await store.read(ALICE, lambda tx: tx.storage.file(file.id)) == file
    assert await usage(store) == Usage(entries=3, bytes=2**40)


async def test_nobody_else_sees_or_counts_or_changes_any_of_it(store: Store) -> None:
    place = folder("docs")
    file = stored_file("a", place)
    await keep(store, place, file, grant(place))
    for other in (BOB, ALICE_ELSEWHERE):
        assert await store.read(other, lambda tx: tx.storage.folder(place.id)) is None
        assert await store.read(other, lambda tx: tx.storage.file(file.id)) is None
        assert await store.read(other, lambda tx: tx.storage.present([file.id])) == set()
        assert await names(store, place, owner=other) == []
        assert await usage(store, other) == Usage(entries=0, bytes=0)
        assert not await store.read(other, lambda tx: tx.storage.is_taken(place.id, name_key("a")))
        assert await store.read(other, lambda tx: tx.storage.count_grants(at(0))) == 0
        assert not await store.write(other, lambda tx: tx.storage.delete_file(file.id))
        assert await store.write(other, lambda tx: tx.storage.delete_folder(place)) == []
        await store.write(other, lambda tx: tx.storage.save_file(replace(file, folder_id=None, name="theirs")))
        await store.write(other, lambda tx: tx.storage.rename_folder(replace(place, name="theirs")))
        for item in (stored_file("b", place), grant(place), folder("b", place)):
            with pytest.raises(FolderNotFound):
                await keep(store, item, owner=other)
    assert await store.read(ALICE, lambda tx: tx.storage.folder(place.id)) == place
    assert await store.read(ALICE, lambda tx: tx.storage.file(file.id)) == file


@pytest.mark.parametrize("count", [0, 1, 16, 17, 40])
async def test_those_of_many_files_that_are_there(store: Store, count: int) -> None:
    files = [stored_file(str(number)) for number in range(count)]
    await keep(store, *files)
    asked = [FileId(new_id()), *(each.id for each in files), FileId("gone")]
    assert await store.read(ALICE, lambda tx: tx.storage.present(asked)) == {each.id for each in files}
    assert await store.read(ALICE, lambda tx: tx.storage.present([])) == set()


async def test_folders_come_first_then_files_each_by_the_key_of_their_names(store: Store) -> None:
    made = [stored_file(name) for name in ("b", "C", "a", "Z", "ä")]
    await keep(store, *made, folder("y"), folder("X"))
    everything = ["X", "y", "a", "b", "C", "Z", "ä"]
    assert await names(store) == everything
    for size in (1, 2, 3):
        found: list[str] = []
        position: EntryPosition | None = None
        while page := await names(store, limit=size, after=position):
            found += page
            position = EntryPosition(is_file=page[-1] not in {"X", "y"}, name_key=name_key(page[-1]))
        assert found == everything


async def test_a_tag_is_matched_whole_and_as_it_is(store: Store) -> None:
    await keep(
        store,
        stored_file("one", tags=("red", "blue")),
        stored_file("two", tags=("redder",)),
        stored_file("three", tags=("a_b", "50%")),
        stored_file("four", tags=("axb", "500")),
        stored_file("five"),
        folder("red"),
    )
    found = {tag: await names(store, tag=tag) for tag in ("red", "blue", "a_b", "50%", "%", "_", "\\", "r")}
    nothing: dict[str, list[str]] = {tag: [] for tag in ("%", "_", "\\", "r")}
    assert found == {"red": ["one"], "blue": ["one"], "a_b": ["three"], "50%": ["three"], **nothing}


async def test_a_name_is_taken_by_files_and_folders_alike_where_they_lie(store: Store) -> None:
    place = folder("docs")
    await keep(store, place, stored_file("A.txt", place))

    async def is_taken(where: Folder | None, name: str) -> bool:
        return await store.read(ALICE, lambda tx: tx.storage.is_taken(where.id if where else None, name_key(name)))

    assert await is_taken(None, "DOCS")
    assert await is_taken(place, "a.TXT")
    assert not await is_taken(None, "a.txt")
    assert not await is_taken(place, "docs")


async def test_a_file_is_moved_renamed_and_tagged(store: Store) -> None:
    place, file = folder("docs"), stored_file("a")
    await keep(store, place, file)
    moved = replace(file, folder_id=place.id, name="B", tags=("t",), updated_at=at(9))
    await store.write(ALICE, lambda tx: tx.storage.save_file(moved))
    assert await store.read(ALICE, lambda tx: tx.storage.file(file.id)) == moved
    assert (await names(store), await names(store, place)) == (["docs"], ["B"])
    assert await store.read(ALICE, lambda tx: tx.storage.is_taken(place.id, "b"))
    with pytest.raises(FolderNotFound):
        await store.write(ALICE, lambda tx: tx.storage.save_file(replace(moved, folder_id=FolderId("gone"))))


async def test_a_folder_goes_with_all_that_lies_in_it_however_deep(store: Store) -> None:
    outer, beside = folder("outer"), folder("beside")
    middle = folder("middle", outer)
    inner = folder("inner", middle)
    files = [stored_file("a", outer), stored_file("a", middle), stored_file("a", inner)]
    left = stored_file("a", beside)
    leaves = [grant(outer), grant(inner)]
    other = grant(beside)
    await keep(store, outer, beside, middle, inner, *files, left, *leaves, other)
    assert not await store.read(ALICE, lambda tx: tx.storage.is_empty(outer.id))
    gone = await store.write(ALICE, lambda tx: tx.storage.delete_folder(outer))
    assert gone == sorted(file.id for file in files)
    assert await names(store) == ["beside"]
    assert await names(store, beside) == ["a"]
    assert await usage(store) == Usage(entries=2, bytes=left.size)
    for leave in leaves:
        assert await store.write_system(lambda tx, leave=leave: tx.take_grant(leave.id, at(1))) is None  # type: ignore[misc]
    assert await store.write_system(lambda tx: tx.take_grant(other.id, at(1))) == (ALICE, other)


async def test_an_empty_folder_is_known_as_one(store: Store) -> None:
    outer = folder("outer")
    await keep(store, outer)
    assert await store.read(ALICE, lambda tx: tx.storage.is_empty(outer.id))
    await keep(store, folder("inner", outer))
    assert not await store.read(ALICE, lambda tx: tx.storage.is_empty(outer.id))


async def test_leave_to_upload_is_taken_once_and_before_its_end(store: Store) -> None:
    made, sized, over = grant(), grant(size=0, sha256="cd" * 32, tags=()), grant(expires_at=at(5))
    await keep(store, made, sized, over)
    assert await store.read(ALICE, lambda tx: tx.storage.count_grants(at(4))) == 3
    assert await store.read(ALICE, lambda tx: tx.storage.count_grants(at(5))) == 2
    assert await store.write_system(lambda tx: tx.take_grant(over.id, at(5))) is None
    assert await store.write_system(lambda tx: tx.take_grant(sized.id, at(5))) == (ALICE, sized)
    takers = [store.write_system(lambda tx: tx.take_grant(made.id, at(5))) for _ in range(5)]
    taken = await asyncio.gather(*takers)
    assert [each for each in taken if each is not None] == [(ALICE, made)]


async def test_leaves_that_are_over_are_forgotten_the_oldest_first(store: Store) -> None:
    await keep(store, *(grant(expires_at=at(number)) for number in range(1, 6)))
    assert await store.write_system(lambda tx: tx.forget_grants(at(4), limit=2)) == 2
    assert await store.read(ALICE, lambda tx: tx.storage.count_grants(at(0))) == 3
    assert await store.read(ALICE, lambda tx: tx.storage.count_grants(at(2.5))) == 3
    assert await store.write_system(lambda tx: tx.forget_grants(at(4), limit=9)) == 2
    assert await store.read(ALICE, lambda tx: tx.storage.count_grants(at(0))) == 1


async def test_the_service_knows_whose_file_it_is(store: Store) -> None:
    file, theirs = stored_file("a"), stored_file("a")
    await keep(store, file)
    await keep(store, theirs, owner=BOB)
    assert await store.read_system(lambda tx: tx.file_owner(theirs.id)) == BOB
    assert await store.read_system(lambda tx: tx.file_owner(FileId(new_id()))) is None
    asked = [file.id, FileId(new_id()), theirs.id]
    assert await store.read_system(lambda tx: tx.known_files(asked)) == {file.id, theirs.id}
    assert await store.write(ALICE, lambda tx: tx.storage.delete_file(file.id))
    assert not await store.write(ALICE, lambda tx: tx.storage.delete_file(file.id))
    assert await store.read_system(lambda tx: tx.known_files(asked)) == {theirs.id}


async def test_units_that_hold_the_lock_go_one_after_the_other(store: Store) -> None:
    async def add(number: int) -> int:
        async def unit(tx: Transaction) -> int:
            await tx.storage.lock()
            before = (await tx.storage.usage()).entries
            await tx.storage.add_file(stored_file(str(number)))
            return before

        return await store.write(ALICE, unit)

    assert sorted(await asyncio.gather(*(add(number) for number in range(8)))) == list(range(8))
