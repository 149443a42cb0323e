"""The bot's end of the link: lines in, lines out, neither ever waiting for the other."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from server.adapters.voice.link import MOST_BYTES, LinkError, ToBot, ToServer, decode_to_bot, encode

_UNSENT: Final = 8 << 20
"""Bytes that the server may leave unread before it counts as gone."""
_FLUSH_SECONDS: Final = 2.0


class Outbox(asyncio.Protocol):
    """The writing side of a pipe; knows when all that was written is in the pipe, and when nobody reads it any more."""

    def __init__(self) -> None:
        self._empty = asyncio.Event()
        self._empty.set()

    def pause_writing(self) -> None:
        """More is written than the pipe takes at once."""
        self._empty.clear()

    def resume_writing(self) -> None:
        """The pipe has taken everything."""
        self._empty.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Nobody reads it."""
        self._empty.set()

    async def flush(self) -> None:
        """Wait until everything is in the pipe, for a bounded time."""
        try:
            async with asyncio.timeout(_FLUSH_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            return


class Pipes:
    """The link, once it is open."""

    def __init__(
        self, reader: asyncio.StreamReader, incoming: asyncio.ReadTransport, outgoing: asyncio.WriteTransport
    ) -> None:
        self._reader = reader
        self._incoming = incoming
        self._outgoing = outgoing

    async def receive(self) -> ToBot | None:
        """The next message; `None` when the server is gone. Raises `LinkError` for a line that is none."""
        # A flood of messages must not keep the audio waiting.
        await asyncio.sleep(0)
        try:
            line = await self._reader.readline()
        except ValueError:
            raise LinkError("the line is too long") from None
        # Without its end it was broken off, with the server.
        return decode_to_bot(line) if line.endswith(b"\n") else None

    def send(self, message: ToServer) -> None:
        """Send, as soon as the pipe takes it. To a server that is gone or reads nothing, nothing is sent: the end of
        its side of the link, or its signal, ends the session."""
        if not self._outgoing.is_closing() and self._outgoing.get_write_buffer_size() < _UNSENT:
            self._outgoing.write(encode(message))

    def stop_receiving(self) -> None:
        """From here on the server counts as gone."""
        self._incoming.close()


@asynccontextmanager
async def open_pipes(reading: int, writing: int) -> AsyncGenerator[Pipes, None]:
    """The link over two file descriptors, which are closed on leaving, when everything is sent."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MOST_BYTES)
    incoming, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    outgoing, outbox = await loop.connect_write_pipe(Outbox, os.fdopen(writing, "wb", buffering=0))
    outgoing.set_write_buffer_limits(high=0)
    try:
        yield Pipes(reader, incoming, outgoing)
    finally:
        await outbox.flush()
        incoming.close()
        outgoing.close()
