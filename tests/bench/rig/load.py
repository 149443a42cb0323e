"""The load: a process of its own that keeps a few connections busy for a while and counts what comes back.

Only its counts are used; what it costs is nobody's figure. One connection has one call under way at a time.
"""

import asyncio
import multiprocessing
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, cast

import httptools
import uvloop
from grpc import aio

_OK = 200
_STUCK_SECONDS = 30
_END_OF_EVENT = b"\n\n"


class LoadFailed(Exception):
    """A call was not answered as it should have been."""


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """The same HTTP/1.1 request again and again."""

    address: str
    request: bytes
    """Head and body, as they go over the wire."""
    connections: int
    seconds: float
    events: int = 0
    """How many server-sent events each reply must bring, an explicit end not counted; 0 for unary calls."""


@dataclass(frozen=True, slots=True)
class GrpcLoad:
    """The same gRPC call again and again, over one channel."""

    address: str
    method: str
    message: bytes
    metadata: tuple[tuple[str, str], ...]
    connections: int
    """How many calls are under way at a time."""
    seconds: float
    events: int = 0
    """How many messages each stream must bring; 0 for unary calls."""


Load = HttpLoad | GrpcLoad


@dataclass(slots=True)
class Tally:
    """What came back."""

    calls: int = 0
    events: int = 0
    pieces: int = 0
    """Pieces (HTTP chunks) in which the replies came; HTTP only."""
    body_bytes: int = 0
    seconds: float = 0.0


class LoadClient:
    """The client's process, from `__enter__` to `__exit__`."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = spawn.Pipe()
        self._process = spawn.Process(target=_obey, args=(self._theirs,), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._process.close()
        self._pipe.close()

    def run(self, load: Load) -> Tally:
        """Put the load on its target until its time is over and the last reply is there. Raises `LoadFailed`."""
        self._pipe.send(load)
        if not self._pipe.poll(load.seconds + _STUCK_SECONDS):
            raise LoadFailed(f"{load.address} does not answer")
        answer = self._pipe.recv()
        if not isinstance(answer, Tally):
            raise LoadFailed(str(answer))
        return answer


def _obey(orders: Connection) -> None:
    while True:
        load: Load = orders.recv()
        try:
            orders.send(uvloop.run(_put(load)))
        except Exception:  # noqa: BLE001 - the process boundary: the bench shows it
            orders.send(traceback.format_exc())


async def _put(load: Load) -> Tally:
    tally = Tally()
    loop = asyncio.get_running_loop()
    started = loop.time()
    if isinstance(load, HttpLoad):
        await _put_http(load, tally)
    else:
        await _put_grpc(load, tally)
    tally.seconds = loop.time() - started
    return tally


async def _put_http(load: HttpLoad, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    host, _, port = load.address.rpartition(":")
    end = loop.time() + load.seconds
    connections = [_HttpConnection(load, tally, end) for _ in range(load.connections)]
    for connection in connections:
        await loop.create_connection(lambda connection=connection: connection, host, int(port))  # type: ignore[misc]
    await asyncio.gather(*(connection.over for connection in connections))


class _HttpConnection(asyncio.Protocol):
    """One keep-alive connection: a request, its whole reply, the next request."""

    def __init__(self, load: HttpLoad, tally: Tally, end: float) -> None:
        self._load = load
        self._tally = tally
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._events = 0
        self._last_byte = b""
        self.over: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such class
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"no HTTP reply: {error.__context__ or error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self._fail(f"the connection was closed: {exc}")

    # What the parser found.

    def on_chunk_header(self) -> None:
        self._tally.pieces += 1

    def on_body(self, data: bytes) -> None:
        self._tally.body_bytes += len(data)
        if self._load.events:
            self._events += data.count(_END_OF_EVENT) + (self._last_byte + data[:1] == _END_OF_EVENT)
            self._last_byte = data[-1:]

    def on_message_complete(self) -> None:
        load, status = self._load, self._parser.get_status_code()
        # One more for the event `end`, which some say and some do not.
        if status != _OK or self._events not in (load.events, load.events + bool(load.events)):
            self._fail(f"status {status} and {self._events} events from {load.address}, not {load.events}")
            return
        self._tally.calls += 1
        self._tally.events += load.events
        self._events, self._last_byte = 0, b""
        if self._loop.time() < self._end:
            self._transport.write(load.request)
        else:
            self.over.set_result(None)
            self._transport.close()

    def _fail(self, why: str) -> None:
        if not self.over.done():
            self.over.set_exception(LoadFailed(why))
        self._transport.abort()


async def _put_grpc(load: GrpcLoad, tally: Tally) -> None:
    async with aio.insecure_channel(load.address) as channel:
        call = _stream if load.events else _unary
        await asyncio.gather(*(call(channel, load, tally) for _ in range(load.connections)))


async def _unary(channel: aio.Channel, load: GrpcLoad, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + load.seconds
    call: Any = channel.unary_unary(load.method)
    while loop.time() < end:
        reply: bytes = await call(load.message, metadata=load.metadata)
        tally.calls += 1
        tally.body_bytes += len(reply)


async def _stream(channel: aio.Channel, load: GrpcLoad, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + load.seconds
    call: Any = channel.unary_stream(load.method)
    while loop.time() < end:
        events = 0
        async for message in call(load.message, metadata=load.metadata):
            events += 1
            tally.body_bytes += len(message)
        if events != load.events:
            raise LoadFailed(f"{events} messages from {load.address}, not {load.events}")
        tally.calls += 1
        tally.events += events
