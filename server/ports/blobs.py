"""The contents of files, by the file's id, beside the store that knows the files.

A content is put before its file's row is committed and deleted after the row is gone, so that no row ever lacks its
content. What a crash leaves between the two is a content without a row: an orphan, which `stale` finds.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from server.domain.ids import FileId


class Draft(Protocol):
    """A content on its way in, piece by piece; nobody sees it before `finish`. For one task."""

    async def write(self, piece: bytes) -> None:
        """Add a piece. Memory holds some MiB at most, whatever has come."""
        ...

    async def finish(self) -> None:
        """Make a content of what was written: whole and durable when this returns."""
        ...


class Blobs(Protocol):
    """Where contents lie; every process of a service sees the same. Failures raise `StoreUnavailable`."""

    async def put(self, file_id: FileId, content: bytes) -> None:
        """Keep a content: whole and durable when this returns; when it raises or is cancelled, whole or not there at
        all. The same id again replaces it."""
        ...

    def draft(self, file_id: FileId) -> AbstractAsyncContextManager[Draft]:
        """A content that comes piece by piece. Leaving the block without `finish` drops it."""
        ...

    async def size(self, file_id: FileId) -> int | None:
        """Bytes of a content; `None` when there is none."""
        ...

    def read(self, file_id: FileId, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """A content in pieces of at most 256 KiB, from the byte `start` to before `end` (`None`: to its end); none at
        all when there is none, or none of these. One that is deleted while it is read is read to its end, or raises
        `FileNotFound` where it breaks off."""
        ...

    async def delete(self, file_ids: Collection[FileId]) -> None:
        """Destroy contents; those that are not there count as destroyed."""
        ...

    def stale(self, before: datetime, *, batch: int) -> AsyncGenerator[list[FileId], None]:
        """Ids of contents that were put before a moment, in no order, at most `batch` at a time. What puts that ended
        before then left half-way is removed on the way."""
        ...
