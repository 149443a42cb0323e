"""What holds of contents wherever they lie: whole or not there, found again, and nobody else's."""

import asyncio
import os
from datetime import UTC, datetime, timedelta

import pytest

from server.adapters.system import SystemIds
from server.domain.errors import FileNotFound
from server.domain.ids import FileId
from server.ports.blobs import Blobs

PIECE = 256 * 1024
PART = 8 * 2**20
LATER, EARLIER = timedelta(hours=1), timedelta(hours=-1)


def new_id() -> FileId:
    return FileId(str(SystemIds().uuid()))


async def read(blobs: Blobs, file_id: FileId, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(file_id, start, end)])


async def stale(blobs: Blobs, age: timedelta, *, batch: int = 100) -> list[list[FileId]]:
    return [found async for found in blobs.stale(datetime.now(UTC) + age, batch=batch)]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_a_content_comes_back_in_pieces(blobs: Blobs, size: int) -> None:
    file_id, content = new_id(), os.urandom(size)
    await blobs.put(file_id, content)
    pieces = [piece async for piece in blobs.read(file_id)]
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert await blobs.size(file_id) == size


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, 2 * PART + 1])
async def test_a_draft_becomes_a_content_when_it_is_finished(blobs: Blobs, size: int) -> None:
    file_id, content = new_id(), os.urandom(size)
    async with blobs.draft(file_id) as draft:
        for start in range(0, size, PIECE):
            await draft.write(content[start : start + PIECE])
        assert await blobs.size(file_id) is None
        await draft.finish()
    assert await blobs.size(file_id) == size
    assert await read(blobs, file_id) == content


@pytest.mark.parametrize("size", [1, PART + 1])
async def test_a_draft_that_is_left_is_nothing(blobs: Blobs, size: int) -> None:
    file_id = new_id()
    async with blobs.draft(file_id) as draft:
        await draft.write(bytes(size))
    assert await blobs.size(file_id) is None
    assert await stale(blobs, LATER) == []


@pytest.mark.parametrize("size", [1, PART + 1])
async def test_a_draft_whose_task_is_cancelled_is_nothing(blobs: Blobs, size: int) -> None:
    file_id, written = new_id(), asyncio.Event()

    async def write() -> None:
        async with blobs.draft(file_id) as draft:
            await draft.write(bytes(size))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await blobs.size(file_id) is None
    assert await stale(blobs, LATER) == []


async def test_the_same_id_again_replaces_a_content(blobs: Blobs) -> None:
    file_id = new_id()
    await blobs.put(file_id, b"a long content")
    await blobs.put(file_id, b"short")
    assert (await blobs.size(file_id), await read(blobs, file_id)) == (5, b"short")


async def test_what_was_deleted_or_never_put_is_not_there(blobs: Blobs) -> None:
    file_id, other, more = new_id(), new_id(), [new_id() for _ in range(3)]
    assert (await blobs.size(file_id), await read(blobs, file_id), await read(blobs, file_id, 1, 2)) == (None, b"", b"")
    for each in (file_id, other, *more):
        await blobs.put(each, b"one")
    await blobs.delete([])
    await blobs.delete([file_id])
    await blobs.delete([file_id, new_id(), *more])
    assert [await blobs.size(each) for each in (file_id, *more)] == [None] * 4
    assert await read(blobs, other) == b"one"


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (0, PIECE), (1, PIECE + 2), (PIECE, None), (2 * PIECE, None), (5, 5), (9, 3), (0, 10**9)]
)
async def test_a_part_of_a_content(blobs: Blobs, start: int, end: int | None) -> None:
    file_id, content = new_id(), os.urandom(2 * PIECE)
    await blobs.put(file_id, content)
    assert await read(blobs, file_id, start, end) == content[start:end]


async def test_a_content_that_is_deleted_while_it_is_read_is_whole_or_breaks_off(blobs: Blobs) -> None:
    file_id, content = new_id(), os.urandom(64 * PIECE)
    await blobs.put(file_id, content)
    reading = blobs.read(file_id)
    got = await anext(reading)
    await blobs.delete([file_id])
    try:
        async for piece in reading:
            got += piece
    except FileNotFound:
        assert len(got) < len(content)
    else:
        assert got == content


@pytest.mark.parametrize("name", ["../outside", "..", "", "x" * 36, "/etc/passwd", "0" * 36, "%2e%2e/x", "a?b"])
async def test_nothing_but_an_id_names_a_content(blobs: Blobs, name: str) -> None:
    assert (await blobs.size(FileId(name)), await read(blobs, FileId(name))) == (None, b"")
    await blobs.delete([FileId(name), FileId(name)])
    with pytest.raises(ValueError, match="no id of a file"):
        await blobs.put(FileId(name), b"x")
    with pytest.raises(ValueError, match="no id of a file"):
        async with blobs.draft(FileId(name)):
            pass


async def test_the_stale_are_those_from_before(blobs: Blobs) -> None:
    ids = [new_id() for _ in range(5)]
    assert await stale(blobs, LATER) == []
    for file_id in ids:
        await blobs.put(file_id, b"x")
    found = await stale(blobs, LATER, batch=2)
    assert {file_id for batch in found for file_id in batch} == set(ids)
    assert all(1 <= len(batch) <= 2 for batch in found)
    assert await stale(blobs, EARLIER) == []


async def test_contents_put_at_once_are_all_kept(blobs: Blobs) -> None:
    ids = [new_id() for _ in range(20)]
    await asyncio.gather(*(blobs.put(file_id, file_id.encode()) for file_id in ids))
    assert await asyncio.gather(*(read(blobs, file_id) for file_id in ids)) == [file_id.encode() for file_id in ids]
