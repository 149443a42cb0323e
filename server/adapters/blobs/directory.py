"""Contents of files in a directory: `<last two digits of the id>/<id>`, each written under another name first.

Several processes may share the directory over a file system whose renames are atomic. It belongs to one database:
contents that the database does not know are orphans.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import structlog

from server.adapters.blobs.ids import is_id
from server.adapters.blobs.reading import Reading
from server.adapters.blobs.writing import DRAFT, Writing
from server.domain.errors import StoreUnavailable
from server.domain.ids import FileId
from server.ports.blobs import Draft

_log = structlog.get_logger(__name__)
_PIECE_BYTES: Final = 256 * 1024
_GATHERED_BYTES: Final = 512 * 1024

Result = TypeVar("Result")


class DirectoryBlobs:
    """Implements `ports.blobs.Blobs`; every touch of the disk is in a thread."""

    def __init__(self, path: Path) -> None:
        """Use the directory; it is made with the first content."""
        self._path = path

    async def put(self, file_id: FileId, content: bytes) -> None:
        """Keep a content."""
        async with self.draft(file_id) as draft:
            await draft.write(content)
            await draft.finish()

    @asynccontextmanager
    async def draft(self, file_id: FileId) -> AsyncIterator[Draft]:
        """A content that comes piece by piece."""
        writing = Writing(self._place(file_id))
        try:
            yield DirectoryDraft(writing)
        finally:
            writing.leave()

    async def size(self, file_id: FileId) -> int | None:
        """Bytes of a content."""
        if not is_id(file_id):
            return None
        return await _in_thread(lambda: _size(self._place(file_id)))

    async def read(self, file_id: FileId, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """A content in pieces."""
        if not is_id(file_id):
            return
        reading = Reading(self._place(file_id), piece_bytes=_PIECE_BYTES, start=start, end=end)
        try:
            while piece := await _in_thread(reading.piece):
                yield piece
        finally:
            reading.leave()

    async def delete(self, file_ids: Collection[FileId]) -> None:
        """Destroy contents."""
        places = [self._place(file_id) for file_id in file_ids if is_id(file_id)]
        if places:
            await _in_thread(lambda: _unlink(places))

    async def stale(self, before: datetime, *, batch: int) -> AsyncGenerator[list[FileId], None]:
        """Ids of contents that were put before a moment."""
        for folder in await _in_thread(lambda: _folders(self._path)):
            found = await _in_thread(lambda folder=folder: list(_stale(folder, before.timestamp())))  # type: ignore[misc]
            for start in range(0, len(found), batch):
                yield found[start : start + batch]

    def _place(self, file_id: FileId) -> Path:
        if not is_id(file_id):
            raise ValueError(f"no id of a file: {file_id!r}")
        # The last digits are random; the first ones are time.
        return self._path / file_id[-2:] / file_id


class DirectoryDraft:
    """Implements `ports.blobs.Draft`."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    async def write(self, piece: bytes) -> None:
        """Add a piece; small ones share the way to a thread, which costs more than writing them."""
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= _GATHERED_BYTES:
            await _in_thread(self._flush)

    async def finish(self) -> None:
        """Make a content of it."""
        await _in_thread(self._finish)

    def _flush(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        for piece in gathered:
            self._writing.piece(piece)

    def _finish(self) -> None:
        self._flush()
        self._writing.finish()


async def _in_thread(work: Callable[[], Result]) -> Result:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        _log.error("files_unavailable", cause=error.strerror, path=error.filename)
        raise StoreUnavailable from error


def _size(place: Path) -> int | None:
    try:
        return place.stat().st_size
    except FileNotFoundError:
        return None


def _unlink(places: list[Path]) -> None:
    for place in places:
        place.unlink(missing_ok=True)


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.is_dir() else []


def _stale(folder: Path, before: float) -> Iterator[FileId]:
    for place in folder.iterdir():
        try:
            if place.stat().st_mtime >= before:
                continue
            if place.name.startswith(DRAFT):
                place.unlink()
        except FileNotFoundError:  # another process was there first
            continue
        if is_id(place.name):
            yield FileId(place.name)
