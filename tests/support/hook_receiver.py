"""A receiver of webhooks: a real HTTP server on loopback that does as it is told and remembers what came."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The `webhook-id`."""
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        """The body."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    def is_signed_by(self, secret: str) -> bool:
        """Whether one of the signatures is by a secret `whsec_…`; written from the specification alone."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[bool]]
"""Answers a request; returns whether the connection goes on."""


def answering(status: int, **headers: str) -> Answer:
    """Answer with a status."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    reply = f"HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n{lines}\r\n".encode()

    async def answer(_: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(reply)
        await writer.drain()
        return True

    return answer


async def acknowledge(_: Request, writer: asyncio.StreamWriter) -> bool:
    """Answer 200."""
    writer.write(OK)
    await writer.drain()
    return True


async def reset(_: Request, writer: asyncio.StreamWriter) -> bool:
    """End the connection without an answer."""
    writer.transport.abort()
    return False


async def hang(_: Request, __: asyncio.StreamWriter) -> bool:
    """Never answer."""
    await asyncio.Event().wait()
    return False


async def flood(_: Request, writer: asyncio.StreamWriter) -> bool:
    """Answer 200 with a body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    while not writer.transport.is_closing():
        writer.write(chunk)
        await writer.drain()
    return False


async def babble(_: Request, writer: asyncio.StreamWriter) -> bool:
    """Answer what is no HTTP."""
    writer.write(b"220 mail.invalid ESMTP\r\n")
    await writer.drain()
    return False


@dataclass
class HookReceiver:
    """Counts and keeps what comes; `answer` may be changed at any time."""

    answer: Answer = acknowledge
    requests: list[Request] = field(default_factory=list)
    acknowledged: list[Request] = field(default_factory=list)
    port: int = 0
    under_way: int = 0
    most_under_way: int = 0
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def until(self, is_enough: Callable[["HookReceiver"], bool], *, within: float = 40) -> None:
        """Wait until something holds of what has come."""
        async with asyncio.timeout(within), self._came:
            await self._came.wait_for(lambda: is_enough(self))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take requests of one connection."""
        try:
            while (request := await _read(reader)) is not None:
                if not await self._take(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _take(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(request)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        answer = self.answer
        try:
            await self._tell()
            goes_on = await answer(request, writer)
        finally:
            self.under_way -= 1
        if answer is acknowledge:
            self.acknowledged.append(request)
        await self._tell()
        return goes_on

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


@asynccontextmanager
async def receiving(answer: Answer = acknowledge) -> AsyncIterator[HookReceiver]:
    """A receiver on a port of its own."""
    receiver, connections, is_over = HookReceiver(answer), set[asyncio.Task[None]](), asyncio.Event()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_over.is_set():  # it was accepted a moment before
            writer.transport.abort()
            return
        task = asyncio.create_task(receiver.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)
        # Not by the task alone: one that is cancelled before its first step closes nothing.
        task.add_done_callback(lambda _: writer.close())

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        is_over.set()
        # What is accepted in the moment of the server's end would never be closed: it cannot have a transport any more.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        for _ in range(2):
            await asyncio.sleep(0)
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split(" ")[1], headers, body)
