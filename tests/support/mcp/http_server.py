"""The scripted server over streamable HTTP, in the test's own loop: bare HTTP/1.1, so that it can break it."""

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tests.support.mcp.player import Message, Player

_SESSION = "session-of-the-script"


class Reply:
    """The answer to one POST: a stream of server-sent events, or one JSON body when the script says so."""

    def __init__(self, writer: asyncio.StreamWriter, *, as_json: bool) -> None:
        self._writer = writer
        self._as_json = as_json
        self._begun = False

    async def send(self, message: Message) -> None:
        """One event, or the body."""
        text = json.dumps(message)
        if self._as_json:
            head(self._writer, 200, {"content-type": "application/json", "content-length": str(len(text.encode()))})
            self._writer.write(text.encode())
            await self._writer.drain()
            return
        await self.raw(f"event: message\ndata: {text}\n\n".encode())

    async def raw(self, data: bytes) -> None:
        """Bytes within the stream."""
        if not self._begun:
            self._begun = True
            head(self._writer, 200, {"content-type": "text/event-stream", "connection": "close"})
        self._writer.write(data)
        await self._writer.drain()

    async def leave(self, code: int) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    def deafen(self) -> None:
        """A connection bears one request here."""


class ScriptedHttp:
    """Serves a player's script under `url`. Entered with `async with`."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._writers: set[asyncio.StreamWriter] = set()
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Method and headers (lower case) of every request."""
        self.sessions = [_SESSION]
        """The sessions that exist; without them, requests of theirs are 404."""

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}/mcp"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen; `port` of an earlier time starts it anew there."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether another may follow on the connection."""
        method, headers = await _request_head(reader)
        self.requests.append((method, headers))
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        script = self._player.script
        if redirect := script.get("redirect"):
            head(writer, 307, {"location": redirect, "content-length": "0"})
            return True
        if method != "POST":
            head(writer, 405 if method == "GET" else 200, {"content-length": "0"})
            return True
        message = json.loads(body)
        if message.get("method") != "initialize" and headers.get("mcp-session-id") not in self.sessions:
            head(writer, 404, {"content-length": "0"})
            return True
        if "id" not in message or "method" not in message:
            await self._player.take(message, Reply(writer, as_json=True))
            head(writer, 202, {"content-length": "0"})
            return True
        reply = Reply(writer, as_json=bool(script.get("json")) or message["method"] == "initialize")
        await self._player.take(message, reply)
        return bool(script.get("json"))


def head(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]) -> None:
    """Write the head of a response."""
    lines = [
        f"HTTP/1.1 {status} X",
        f"mcp-session-id: {_SESSION}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())


async def _request_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(":", 1) for line in lines[1:] if line)
    return lines[0].split(" ")[0], {name.lower(): value.strip() for name, value in pairs}
