"""The body of an HTTP response, read piece by piece and given back early or in order."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import httpx

_MOST_COLLECTED: Final = 64 * 1024
_COLLECTING_SECONDS: Final = 5.0
_DRAINING_SECONDS: Final = 0.1


class Body:
    """The bytes of one response as they were sent. Close it, whatever happened."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        # Not `aiter_raw`: it adds layers to every read that count and cut what needs neither.
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - an `AsyncClient` gives no other
        self._chunks = aiter(stream)

    async def read(self) -> bytes:
        """The next bytes as they came, at least one; none at the end of a body that is whole. Raises
        `httpx.HTTPError`."""
        while (chunk := await anext(self._chunks, None)) is not None:
            if chunk:
                return chunk
        return b""

    async def collect(self) -> bytes:
        """The first 64 KiB, or what came within five seconds or before the connection broke."""
        collected = bytearray()
        try:
            async with asyncio.timeout(_COLLECTING_SECONDS):
                while len(collected) < _MOST_COLLECTED and (chunk := await self.read()):
                    collected += chunk
        except (TimeoutError, httpx.HTTPError):
            pass
        return bytes(collected[:_MOST_COLLECTED])

    async def drain(self) -> None:
        """Read what little follows the answer, so that the connection can serve the next request.

        That saves the next one the handshakes. Servers that say more, or nothing, lose the connection instead.
        """
        try:
            async with asyncio.timeout(_DRAINING_SECONDS):
                await self.read()
        except (TimeoutError, httpx.HTTPError):
            pass

    async def aclose(self) -> None:
        """Give the connection back if the body was read to its end, else close it at once."""
        await self._response.aclose()
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()
