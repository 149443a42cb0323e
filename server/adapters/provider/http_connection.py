"""One HTTP/1.1 connection of a client: sends a request, then hands out the response as it comes."""

import asyncio
from typing import Final, cast

import httptools
import httpx

_HIGH_WATER: Final = 256 * 1024
_MOST_HEAD_BYTES: Final = 64 * 1024
_FIRST_FINAL_STATUS: Final = 200


class HttpConnection(asyncio.Protocol):
    """One request at a time. Failures are `httpx.TransportError`, as from httpx's own transport.

    The bytes that one read of the socket brought are given out together. A reader that is slower than the server stops
    the socket, so memory is bounded by 256 KiB and one read.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._failure: httpx.TransportError | None = None
        self._lost = False
        self.idle_since = 0.0
        """Time of the loop at which the last response ended."""
        self._reset()

    def _reset(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._received_before_head = 0
        self._until_close = False
        self._has_head = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._paused = False
        self._complete = False
        self._keep_alive = False

    # What the client asks.

    def send(self, request: httpx.Request, body: bytes) -> None:
        """Write a request; its headers say how long `body` is. Raises `httpx.LocalProtocolError` for a header that
        would break the framing."""
        lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
        lines.extend(b"%b: %b" % (name, value) for name, value in request.headers.raw)
        if any(byte in line for line in lines for byte in (b"\r", b"\n", b"\0")):
            raise httpx.LocalProtocolError("a header holds a line break")
        self._reset()
        self._connected().write(b"\r\n".join((*lines, b"", body)))

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers of the response, interim ones skipped."""
        while not self._has_head:
            await self._wait()
        return self._parser.get_status_code(), self._headers

    async def read(self) -> bytes:
        """What has come of the body, at least one byte; none at its end."""
        while not self._body:
            if self._complete:
                return b""
            await self._wait()
        data = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._body_bytes = 0
        if self._paused:
            self._paused = False
            self._connected().resume_reading()
        return data

    @property
    def reusable(self) -> bool:
        """Whether the response is over and the server takes another request."""
        sound = self._failure is None and not self._lost and not self._paused
        return sound and self._complete and self._keep_alive

    def close(self) -> None:
        """Close at once, whatever is on its way."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: httpx.TransportError) -> None:
        if self._failure is None:
            self._failure = failure

    def _connected(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 - the loop connects before it hands out
        return self._transport

    # What the socket says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has connected, TLS included."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are none by inheritance

    def data_received(self, data: bytes) -> None:
        """Parse, then wake the reader once."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(f"not HTTP/1.1: {error}")
        else:
            if not self._has_head:
                self._received_before_head += len(data)
                if self._received_before_head > _MOST_HEAD_BYTES:
                    self._refuse("a head without end")
        if self._body_bytes > _HIGH_WATER and not self._paused:
            self._paused = True
            self._connected().pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: of the response too if nothing but the end marks it."""
        self._lost = True
        if not self._complete:
            if exc is not None:
                self._fail(httpx.ReadError("the connection broke"))
            elif self._has_head and self._until_close:
                self._complete = True
            else:
                self._fail(httpx.RemoteProtocolError("the server disconnected before the end of the response"))
        self._wake()

    def _refuse(self, what: str) -> None:
        self._fail(httpx.RemoteProtocolError(what))
        self.close()

    # What the parser finds.

    def on_message_begin(self) -> None:
        """A response begins; one that nobody asked for spoils the connection."""
        if self._complete:
            self._keep_alive = False
        self._headers = [] if not self._has_head else self._headers

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; trailers are dropped."""
        if not self._has_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole, unless it is an interim one."""
        if self._parser.get_status_code() < _FIRST_FINAL_STATUS or self._has_head:
            return
        self._has_head = True
        names = {name.lower() for name, _ in self._headers}
        self._until_close = names.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, body: bytes) -> None:
        """A part of the body, chunks unwrapped."""
        if not self._complete:
            self._body.append(body)
            self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._has_head and not self._complete:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()
            self.idle_since = self._loop.time()
