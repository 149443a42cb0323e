"""One connection of the scripted model server, as raw as asyncio gives it."""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends RST instead of FIN

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: Any
    """The parsed JSON, bytes where it is a form; `None` without a body."""


class ClientGone(Exception):
    """The client closed or broke the connection."""


class Connection(asyncio.Protocol):
    """Reads requests, writes bytes, and knows at once when the client goes away."""

    def __init__(self, opened: Callable[["Connection"], None]) -> None:
        self._opened = opened
        self._received = bytearray()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()
        """Set when the connection is over, whoever ended it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are none by inheritance
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        """Keep it for `request`."""
        self._received += data
        self._more.set()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; a client's FIN comes here too, since asyncio answers it by closing."""
        self.gone.set()
        self._more.set()
        self._writable.set()

    async def request(self) -> RecordedRequest:
        """The next request. Raises `ClientGone`."""
        await self._received_until(lambda: _HEAD_END in self._received)
        first, *lines = self._take(self._received.index(_HEAD_END)).decode("latin-1").split("\r\n")
        self._take(len(_HEAD_END))
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        await self._received_until(lambda: len(self._received) >= length)
        body = self._take(length)
        is_form = headers.get("content-type", "").startswith("multipart/")
        return RecordedRequest(method, path, headers, body if is_form else json.loads(body) if body else None)

    async def send(self, data: bytes) -> None:
        """Write and wait until the client reads on. Raises `ClientGone`."""
        if self.gone.is_set() or self._transport is None or self._transport.is_closing():
            raise ClientGone
        self._transport.write(data)
        await self._writable.wait()

    def finish(self) -> None:
        """Send what was written, then FIN."""
        assert self._transport is not None
        self._transport.close()

    def reset(self) -> None:
        """Send RST at once."""
        assert self._transport is not None
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def abort(self) -> None:
        """Close without sending what the client has not taken yet."""
        assert self._transport is not None
        self._transport.abort()

    async def _received_until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self.gone.is_set():
                raise ClientGone
            self._more.clear()
            await self._more.wait()

    def _take(self, count: int) -> bytes:
        data = bytes(self._received[:count])
        del self._received[:count]
        return data
