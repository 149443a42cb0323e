"""Listeners to tokens that bear the time at which they were said: a process of its own with many HTTP streams.

What the listeners cost is nobody's figure, but their delay is part of what they measure.
"""

import asyncio
import multiprocessing
import re
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self, cast

import httptools
import uvloop

_OK: Final = 200
_STUCK_SECONDS: Final = 60
_TOKEN: Final = re.compile(rb"(\d+\.\d{6}) ")


class ListeningFailed(Exception):
    """A stream that was refused or cut."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Requests to make, a connection each, and how to know the lines of the replies that hold tokens."""

    address: str
    requests: tuple[bytes, ...]
    """Head and body of each, as they go over the wire."""
    mark: bytes
    over_seconds: float
    """The requests are made evenly over this time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A token that came."""

    said_at: float
    """On the clock `time.monotonic`."""
    delay: float
    """Seconds."""


class Listeners:
    """Their process, from `__enter__` to `__exit__`."""

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

    def listen(self, listening: Listening) -> list[Heard]:
        """Make the requests and hear every reply to its end. Raises `ListeningFailed`."""
        self._pipe.send(listening)
        if not self._pipe.poll(_STUCK_SECONDS):
            raise ListeningFailed(f"{listening.address} does not come to an end")
        answer = self._pipe.recv()
        if not isinstance(answer, list):
            raise ListeningFailed(str(answer))
        return answer


def _obey(orders: Connection) -> None:
    while True:
        listening: Listening = orders.recv()
        try:
            orders.send(uvloop.run(_listen(listening)))
        except Exception:  # noqa: BLE001 - the process boundary: the bench shows it
            orders.send(traceback.format_exc())


async def _listen(listening: Listening) -> list[Heard]:
    loop = asyncio.get_running_loop()
    host, _, port = listening.address.rpartition(":")
    heard: list[Heard] = []

    async def one(number: int, request: bytes) -> None:
        await asyncio.sleep(listening.over_seconds * number / len(listening.requests))
        stream = _Stream(request, listening.mark, heard)
        await loop.create_connection(lambda: stream, host, int(port))
        await stream.over

    await asyncio.gather(*(one(number, request) for number, request in enumerate(listening.requests)))
    return heard


class _Stream(asyncio.Protocol):
    """One request and its reply."""

    def __init__(self, request: bytes, mark: bytes, heard: list[Heard]) -> None:
        self._request = request
        self._mark = mark
        self._heard = heard
        self._parser = httptools.HttpResponseParser(self)
        self._line = b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no such class
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic()
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(ListeningFailed(f"the connection was closed: {exc}"))

    # What the parser found.

    def on_body(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if self._mark in line:
                moments = map(float, _TOKEN.findall(line))
                self._heard.extend(Heard(said_at, self._now - said_at) for said_at in moments)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() == _OK:
            self.over.set_result(None)
        else:
            self.over.set_exception(ListeningFailed(f"status {self._parser.get_status_code()}: {self._line!r}"))
        self._transport.close()
