"""A content on its way into the bucket: in one request when it is small, else in parts."""

import asyncio
import contextlib
from typing import Final

from server.adapters.blobs.s3 import replies
from server.adapters.blobs.s3.body import NOTHING, Body
from server.adapters.blobs.s3.client import S3Client, S3Request
from server.adapters.blobs.s3.failure import S3Failure

PART_BYTES: Final = 8 * 1024 * 1024
"""How much is gathered before it is sent; every part but the last one must have 5 MiB."""
LARGEST_BYTES: Final = 10_000 * PART_BYTES
"""A content in more parts is not taken."""
_ABORT_SECONDS: Final = 5.0


class S3Draft:
    """Implements `ports.blobs.Draft`. Memory holds one part and a piece. Raises `S3Failure`."""

    def __init__(self, client: S3Client, key: str, encryption: dict[str, str]) -> None:
        self._client = client
        self._key = key
        self._encryption = encryption
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._sent_bytes = 0
        self._upload = ""
        self._etags: list[str] = []

    async def write(self, piece: bytes) -> None:
        """Add a piece; what has become a part is sent."""
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= PART_BYTES:
            await self._send_part()

    async def finish(self) -> None:
        """Make an object of it: whole and durable when this returns."""
        if not self._upload:
            await put(self._client, self._key, await Body.of(self._gathered), self._encryption)
            return
        if self._gathered_bytes:
            await self._send_part()
        await self._complete()
        self._upload = ""

    async def leave(self) -> None:
        """Give up what is not finished, within seconds. What cannot be given up then is stale one day."""
        upload, self._upload = self._upload, ""
        self._gathered.clear()
        if upload:
            with contextlib.suppress(S3Failure, TimeoutError):
                async with asyncio.timeout(_ABORT_SECONDS):
                    await abort(self._client, self._key, upload)

    async def _send_part(self) -> None:
        if not self._upload:
            request = S3Request("POST", self._key, {"uploads": ""}, self._encryption)
            self._upload = replies.upload_id((await self._client.send(request)).body)
        body = await Body.of(self._gathered)
        query = {"partNumber": str(len(self._etags) + 1), "uploadId": self._upload}
        reply = await self._client.send(S3Request("PUT", self._key, query, body=body))
        self._etags.append(reply.headers.get("etag", ""))
        self._sent_bytes += body.size
        self._gathered, self._gathered_bytes = [], 0

    async def _complete(self) -> None:
        body = await Body.of([replies.completion(self._etags)])
        try:
            await self._client.send(S3Request("POST", self._key, {"uploadId": self._upload}, body=body))
        except S3Failure as failure:
            # Also what the second attempt is told when the first one's answer was lost.
            if not failure.is_absence or await size(self._client, self._key) != self._sent_bytes:
                raise


async def put(client: S3Client, key: str, body: Body, encryption: dict[str, str]) -> None:
    """Store an object whole. The storage compares the content with its digest."""
    headers = {"x-amz-checksum-sha256": body.checksum, "content-type": "application/octet-stream", **encryption}
    await client.send(S3Request("PUT", key, headers=headers, body=body))


async def abort(client: S3Client, key: str, upload: str) -> None:
    """Drop an upload in parts; one that is not there counts as dropped."""
    try:
        await client.send(S3Request("DELETE", key, {"uploadId": upload}, body=NOTHING))
    except S3Failure as failure:
        if not failure.is_absence:
            raise


async def size(client: S3Client, key: str) -> int | None:
    """Bytes of an object; `None` when there is none."""
    try:
        reply = await client.send(S3Request("HEAD", key))
    except S3Failure as failure:
        if failure.is_absence:
            return None
        raise
    return int(reply.headers.get("content-length", "0"))
