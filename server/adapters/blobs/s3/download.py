"""Reads an object in pieces, and goes on where a connection broke off."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from server.adapters.blobs.s3.client import ATTEMPTS, S3Client, S3Request
from server.adapters.blobs.s3.failure import S3Failure

_PIECE_BYTES: Final = 256 * 1024
_PARTIAL: Final = 206
_CHANGED: Final = 412
_UNSATISFIABLE: Final = 416


class Vanished(Exception):
    """The object went, or became another, while it was read."""


class Download:
    """One pass over the bytes `start` to `end` of an object (`None`: its last)."""

    def __init__(self, client: S3Client, key: str, start: int, end: int | None) -> None:
        self._client = client
        self._key = key
        self._at = start
        self._end = end
        self._etag = ""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Pieces of at most 256 KiB; none without an object, or behind its end. A connection that breaks off is taken
        up again as long as something comes. Raises `S3Failure`, `Vanished`."""
        failures = 0
        while self._end is None or self._at < self._end:
            before = self._at
            try:
                async with aclosing(self._rest()) as rest:
                    async for piece in rest:
                        self._at += len(piece)
                        yield piece
            except S3Failure as failure:
                if not self._etag and (failure.is_absence or failure.status == _UNSATISFIABLE):
                    return
                if failure.is_absence or failure.status == _CHANGED:
                    raise Vanished from failure
                failures = 1 if self._at > before else failures + 1
                if not failure.may_pass or failures == ATTEMPTS:
                    raise
            else:
                return
            await self._client.pause(failures)

    async def _rest(self) -> AsyncGenerator[bytes, None]:
        headers = self._headers()
        async with self._client.opened(S3Request("GET", self._key, headers=headers)) as response:
            if "range" in headers and response.status_code != _PARTIAL:
                raise S3Failure("did not give the range that it was asked for", status=response.status_code)
            self._etag = response.headers.get("etag", "")
            async for piece in response.aiter_raw(_PIECE_BYTES):
                yield piece

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._at or self._end is not None:
            headers["range"] = f"bytes={self._at}-{'' if self._end is None else self._end - 1}"
        if self._etag:
            headers["if-match"] = self._etag
        return headers
