"""Stands before an S3 server and does to single requests what networks and busy servers do."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request."""

    status: int = 0
    """Answered so, and never passed on; 0: passed on."""
    code: str = ""
    """The code in that answer's body. With status 200 the request is passed on, and failed at its end."""
    reply_bytes: int | None = None
    """How much of the answer's body comes before the connection is cut; `None`: all of it."""
    loses_reply: bool = False
    """Whether the request is done and nobody hears of it."""
    stalls: bool = False
    """Whether the connection is held, silent, where it would be cut."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came."""

    line: str
    """Method and target."""
    headers: dict[str, str]


class FaultyProxy:
    """Passes requests to the server on a port, one a connection; `breaks` says which of them meet a fault."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self.seen: list[Seen] = []
        self.left = asyncio.Event()
        """Set when a client has left a request that stalls."""
        self.stalled: Callable[[], None] = lambda: None
        """Called when a request begins to stall."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect."""
        assert self._server is not None, "enter the context first"
        return int(self._server.sockets[0].getsockname()[1])

    def breaks(self, pattern: str, *faults: Fault) -> None:
        """Have the next requests whose method and target match meet these faults, one each."""
        self._faults.extend((re.compile(pattern), fault) for fault in faults)

    def count(self, pattern: str) -> int:
        """How many requests came that match."""
        return sum(1 for each in self.seen if re.search(pattern, each.line))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._exchange(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fault = self._take(head)
        length = _length(head)
        if fault is not None and fault.status and fault.status != 200:
            await _copy(reader, None, length)
            await _answer(writer, fault)
            return
        upstream, onward = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            onward.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await _copy(reader, onward, length)
            await self._reply(fault or Fault(), reader, upstream, writer)
        finally:
            onward.transport.abort()

    async def _reply(
        self, fault: Fault, client: asyncio.StreamReader, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await upstream.readuntil(b"\r\n\r\n")
        if fault.loses_reply or fault.status:
            await upstream.read()
            if fault.status:
                await _answer(writer, fault)
            return
        writer.write(head)
        await _copy(upstream, writer, fault.reply_bytes)
        if fault.stalls:
            self.stalled()
            await client.read()
            self.left.set()
        elif fault.reply_bytes is None:
            writer.write_eof()
            await client.read()

    def _take(self, head: bytes) -> Fault | None:
        first, *lines = head.decode("latin-1").rstrip().split("\r\n")
        line = first.rpartition(" ")[0]
        fields = (each.partition(":") for each in lines)
        self.seen.append(Seen(line, {name.lower(): value.strip() for name, _, value in fields}))
        for place, (pattern, fault) in enumerate(self._faults):
            if pattern.search(line):
                del self._faults[place]
                return fault
        return None


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter | None, count: int | None) -> None:
    """Pass on so many bytes, or all there are."""
    left = count
    while left is None or left > 0:
        data = await source.read(_CHUNK if left is None else min(_CHUNK, left))
        if not data:
            return
        if left is not None:
            left -= len(data)
        if sink is not None:
            sink.write(data)
            await sink.drain()


async def _answer(writer: asyncio.StreamWriter, fault: Fault) -> None:
    body = f"<Error><Code>{fault.code}</Code><Message>scripted</Message></Error>".encode() if fault.code else b""
    head = f"HTTP/1.1 {fault.status} Scripted\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.write_eof()
