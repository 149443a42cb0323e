"""Contents of files as objects of a bucket: `<prefix><tag>/<id>`.

The tag is made of the id with a secret. Nobody can name an object who knows a file's id alone, and services that share
a bucket with different secrets never see, and so never sweep, each other's.
"""

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from server.adapters.blobs.ids import is_id
from server.adapters.blobs.s3 import draft, replies
from server.adapters.blobs.s3.body import Body
from server.adapters.blobs.s3.client import S3Client, S3Request
from server.adapters.blobs.s3.download import Download, Vanished
from server.adapters.blobs.s3.draft import S3Draft
from server.adapters.blobs.s3.failure import S3Failure
from server.adapters.blobs.s3.replies import Listed, Listing
from server.domain.errors import FileNotFound, StoreUnavailable
from server.domain.ids import FileId
from server.ports.blobs import Draft

_log = structlog.get_logger(__name__)
_TAG_DIGITS: Final = 32
_MOST_AT_ONCE: Final = 1000
"""How many objects may be deleted, or listed, by one request."""


class S3Blobs:
    """Implements `ports.blobs.Blobs`."""

    def __init__(
        self, client: S3Client, *, prefix: str, secret: bytes, encryption: Mapping[str, str] | None = None
    ) -> None:
        """`prefix` is empty or ends with a slash; `secret` is what the tags are made with, the same in every process
        on a database."""
        self._client = client
        self._prefix = prefix
        self._secret = secret
        self._encryption = dict(encryption or {})

    async def put(self, file_id: FileId, content: bytes) -> None:
        """Keep a content."""
        key = self._key(file_id)
        with _available():
            await draft.put(self._client, key, await Body.of([content]), self._encryption)

    @asynccontextmanager
    async def draft(self, file_id: FileId) -> AsyncIterator[Draft]:
        """A content that comes piece by piece."""
        writing = S3Draft(self._client, self._key(file_id), self._encryption)
        try:
            yield _Guarded(writing)
        finally:
            await writing.leave()

    async def size(self, file_id: FileId) -> int | None:
        """Bytes of a content."""
        if not is_id(file_id):
            return None
        with _available():
            return await draft.size(self._client, self._key(file_id))

    async def read(self, file_id: FileId, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """A content in pieces."""
        if not is_id(file_id):
            return
        download = Download(self._client, self._key(file_id), start, end)
        with _available():
            try:
                async with aclosing(download.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
            except Vanished as error:
                raise FileNotFound(file_id) from error

    async def delete(self, file_ids: Collection[FileId]) -> None:
        """Destroy contents."""
        keys = (self._key(file_id) for file_id in file_ids if is_id(file_id))
        with _available():
            while batch := list(islice(keys, _MOST_AT_ONCE)):
                await self._delete(batch)

    async def stale(self, before: datetime, *, batch: int) -> AsyncGenerator[list[FileId], None]:
        """Ids of contents that were put before a moment."""
        await self._abort_stale(before)
        query = {"list-type": "2", "prefix": self._prefix, "max-keys": str(min(batch, _MOST_AT_ONCE))}
        async with aclosing(self._pages(query, replies.objects)) as pages:
            async for listed in pages:
                if found := [file_id for each in listed if each.since < before and (file_id := self._id(each.key))]:
                    yield found

    async def _abort_stale(self, before: datetime) -> None:
        query = {"uploads": "", "prefix": self._prefix, "max-uploads": str(_MOST_AT_ONCE)}
        async with aclosing(self._pages(query, replies.uploads)) as pages:
            async for listed in pages:
                for each in listed:
                    if each.since < before and self._id(each.key):
                        with _available():
                            await draft.abort(self._client, each.key, each.upload_id)

    async def _pages(
        self, query: Mapping[str, str], read: Callable[[bytes], Listing]
    ) -> AsyncGenerator[tuple[Listed, ...], None]:
        following: Mapping[str, str] | None = {}
        while following is not None:
            with _available():
                reply = await self._client.send(S3Request("GET", query={**query, "encoding-type": "url", **following}))
                listing = read(reply.body)
            yield listing.items
            following = listing.following

    async def _delete(self, keys: list[str]) -> None:
        if len(keys) == 1:
            await self._client.send(S3Request("DELETE", keys[0]))
            return
        content = replies.deletion(keys)
        digest = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        body = await Body.of([content])
        headers = {"content-md5": digest, "x-amz-checksum-sha256": body.checksum}
        reply = await self._client.send(S3Request("POST", "", {"delete": ""}, headers, body))
        if reply.body and (code := next(replies.undeleted(reply.body), None)):
            raise S3Failure(f"did not delete: {code}", status=200, code=code)

    def _key(self, file_id: FileId) -> str:
        if not is_id(file_id):
            raise ValueError(f"no id of a file: {file_id!r}")
        return f"{self._prefix}{self._tag(file_id)}/{file_id}"

    def _id(self, key: str) -> FileId | None:
        """The id of the file whose content is there; `None` for an object that is not of this service's making."""
        file_id = FileId(key.rpartition("/")[2])
        return file_id if is_id(file_id) and hmac.compare_digest(self._key(file_id).encode(), key.encode()) else None

    def _tag(self, file_id: FileId) -> str:
        return hmac.digest(self._secret, file_id.encode(), "sha256").hex()[:_TAG_DIGITS]


class _Guarded:
    """A draft whose failures are those of the port."""

    def __init__(self, writing: S3Draft) -> None:
        self._writing = writing

    async def write(self, piece: bytes) -> None:
        """Add a piece."""
        with _available():
            await self._writing.write(piece)

    async def finish(self) -> None:
        """Make a content of it."""
        with _available():
            await self._writing.finish()


@contextmanager
def _available() -> Iterator[None]:
    """What fails in the block is `StoreUnavailable`; the log says how."""
    try:
        yield
    except S3Failure as failure:
        _log.error("files_unavailable", cause=str(failure))
        raise StoreUnavailable from failure
