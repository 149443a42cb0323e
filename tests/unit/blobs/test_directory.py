"""Contents of files in a directory: whole or not there, private, and found again."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.blobs.reading import Reading
from server.adapters.system import SystemIds
from server.domain.errors import StoreUnavailable
from server.domain.ids import FileId

PIECE = 256 * 1024


def new_id() -> FileId:
    return FileId(str(SystemIds().uuid()))


async def read(blobs: DirectoryBlobs, file_id: FileId) -> list[bytes]:
    return [piece async for piece in blobs.read(file_id)]


async def stale(blobs: DirectoryBlobs, before: datetime, *, batch: int = 100) -> list[list[FileId]]:
    return [found async for found in blobs.stale(before, batch=batch)]


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_a_content_comes_back_in_pieces(tmp_path: Path, size: int) -> None:
    blobs, file_id, content = DirectoryBlobs(tmp_path / "files"), new_id(), os.urandom(size)
    await blobs.put(file_id, content)
    pieces = await read(blobs, file_id)
    assert b"".join(pieces) == content
    assert all(len(piece) <= PIECE for piece in pieces)
    assert await blobs.size(file_id) == size


async def test_what_is_kept_is_the_services_alone(tmp_path: Path) -> None:
    blobs, file_id = DirectoryBlobs(tmp_path / "files"), new_id()
    await blobs.put(file_id, b"secret")
    place = tmp_path / "files" / file_id[-2:] / file_id
    assert place.stat().st_mode & 0o777 == 0o600
    assert {folder.stat().st_mode & 0o777 for folder in (place.parent, tmp_path / "files")} == {0o700}
    assert [path.name for path in place.parent.iterdir()] == [file_id]


async def test_what_was_deleted_or_never_put_is_not_there(tmp_path: Path) -> None:
    blobs, file_id, other = DirectoryBlobs(tmp_path / "files"), new_id(), new_id()
    assert (await blobs.size(file_id), await read(blobs, file_id)) == (None, [])
    await blobs.put(file_id, b"one")
    await blobs.put(other, b"two")
    await blobs.delete([file_id, new_id()])
    assert (await blobs.size(file_id), await read(blobs, file_id)) == (None, [])
    assert await read(blobs, other) == [b"two"]


async def test_a_content_that_is_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    blobs, file_id, content = DirectoryBlobs(tmp_path), new_id(), os.urandom(2 * PIECE)
    await blobs.put(file_id, content)
    reading = blobs.read(file_id)
    first = await anext(reading)
    await blobs.delete([file_id])
    assert first + b"".join([piece async for piece in reading]) == content


@pytest.mark.parametrize("name", ["../outside", "..", "", "x" * 36, "/etc/passwd", "0" * 36])
async def test_nothing_but_an_id_becomes_part_of_a_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"private")
    blobs = DirectoryBlobs(tmp_path / "files")
    assert (await blobs.size(FileId(name)), await read(blobs, FileId(name))) == (None, [])
    await blobs.delete([FileId(name)])
    assert (tmp_path / "outside").read_bytes() == b"private"
    with pytest.raises(ValueError, match="no id of a file"):
        await blobs.put(FileId(name), b"x")


async def test_the_stale_are_those_from_before_and_drafts_go(tmp_path: Path) -> None:
    blobs, old, young = DirectoryBlobs(tmp_path), [new_id() for _ in range(3)], new_id()
    now = datetime.now(UTC)
    for file_id in (*old, young):
        await blobs.put(file_id, b"x")
    long_ago = (now - timedelta(days=1)).timestamp()
    drafts = [tmp_path / old[0][-2:] / f".{name}" for name in ("forgotten", "fresh")]
    for draft in drafts:
        draft.write_bytes(b"half")
    for path in (*(tmp_path / file_id[-2:] / file_id for file_id in old), drafts[0]):
        os.utime(path, (long_ago, long_ago))
    found = await stale(blobs, now - timedelta(hours=1), batch=2)
    assert {file_id for batch in found for file_id in batch} == set(old)
    assert all(len(batch) <= 2 for batch in found)
    assert [draft.exists() for draft in drafts] == [False, True]
    assert await stale(DirectoryBlobs(tmp_path / "nothing"), now) == []


async def test_contents_put_at_once_are_all_kept(tmp_path: Path) -> None:
    blobs, ids = DirectoryBlobs(tmp_path / "files"), [new_id() for _ in range(20)]
    await asyncio.gather(*(blobs.put(file_id, file_id.encode()) for file_id in ids))
    assert [await read(blobs, file_id) for file_id in ids] == [[file_id.encode()] for file_id in ids]


async def test_a_disk_that_refuses_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A file stands where a directory is needed: no permission could be missing, whoever runs the test."""
    (tmp_path / "files").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        await DirectoryBlobs(tmp_path / "files").put(new_id(), b"x")


async def test_a_content_that_cannot_be_renamed_leaves_no_draft(tmp_path: Path) -> None:
    blobs, file_id = DirectoryBlobs(tmp_path), new_id()
    place = tmp_path / file_id[-2:] / file_id
    place.mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        await blobs.put(file_id, b"x")
    assert list(place.parent.iterdir()) == [place]


def test_a_reading_that_is_left_reads_nothing_more_and_is_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    reading = Reading(tmp_path / "file", piece_bytes=4)
    assert reading.piece() == b"abcd"
    reading.leave()
    assert (reading.piece(), reading.piece()) == (b"", b"")


def test_a_reading_that_is_left_in_the_middle_of_a_piece_is_closed_behind_it(tmp_path: Path) -> None:
    """The read stands at a pipe that nobody has written to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = Reading(pipe, piece_bytes=4)
    with ThreadPoolExecutor(1) as thread:
        piece = thread.submit(reading.piece)
        with pipe.open("wb") as end:  # returns once the reader has opened its own
            reading.leave()
            end.write(b"late")
        assert piece.result() in (b"late", b"")
    assert not [link for link in Path("/proc/self/fd").iterdir() if link.exists() and link.samefile(pipe)]
