"""Bots that are processes and do what a test says; and bots of no process that only are there."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from server.domain.run import RunState
from server.ports.voice import Bot, BotEvent, Invitation

_PROGRAM: Final = Path(__file__).with_name("puppet.py")
_PATIENCE: Final = 30.0


class Puppet:
    """One bot of a test: `told` is what the server tells it, `say` what it says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self._reader = reader
        self._writer = writer
        self.pid = pid

    async def told(self) -> dict[str, Any]:
        """The next message of the server; `{}` when its process is gone."""
        line = await asyncio.wait_for(self._reader.readline(), _PATIENCE)
        return json.loads(line) if line else {}

    async def told_until(self, kind: str) -> list[dict[str, Any]]:
        """The next messages up to the first of that type."""
        messages = [await self.told()]
        while messages[-1] and messages[-1]["type"] != kind:
            messages.append(await self.told())
        return messages

    async def answer(self) -> str:
        """The text of the pieces up to the end of an answer."""
        return "".join(each["text"] for each in await self.told_until("ended") if each["type"] == "piece")

    def say(self, kind: str, **members: Any) -> None:
        """Say a message."""
        self.write(json.dumps({"type": kind, **members}).encode())

    def write(self, line: bytes) -> None:
        """Say a line as it is, or, beginning with `!`, have the program do something."""
        self._writer.write(line + b"\n")

    def kill(self) -> None:
        """End the process without a word."""
        os.kill(self.pid, signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until nothing comes from its process any more."""
        while await self.told():
            pass

    def close(self) -> None:
        """Give the connection up."""
        self._writer.close()


class Puppets:
    """Where puppets report, in the order in which they are started. Entered with `async with`."""

    def __init__(self) -> None:
        self._reported: asyncio.Queue[Puppet] = asyncio.Queue()
        self._all: list[Puppet] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._report, "127.0.0.1", 0, limit=1 << 22)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for puppet in self._all:
            puppet.close()

    @property
    def command(self) -> list[str]:
        """What starts one."""
        assert self._server is not None
        return [sys.executable, "-S", "-I", str(_PROGRAM), str(self._server.sockets[0].getsockname()[1])]

    async def next(self) -> Puppet:
        """The next that was started."""
        return await asyncio.wait_for(self._reported.get(), _PATIENCE)

    async def joined(self) -> tuple[Puppet, dict[str, Any]]:
        """The next, which says that it has joined; and its start."""
        puppet = await self.next()
        start = await puppet.told()
        puppet.say("joined")
        return puppet, start

    async def _report(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        puppet = Puppet(reader, writer, int(await reader.readline()))
        self._all.append(puppet)
        self._reported.put_nowait(puppet)


class SilentBots:
    """Join at once, hear nobody, and stay."""

    def require(self) -> None:
        """They can be started everywhere."""

    @asynccontextmanager
    async def joined(self, _: Invitation) -> AsyncGenerator[Bot, None]:
        """One."""
        yield _SilentBot()


class _SilentBot:
    async def next(self) -> BotEvent:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    def piece(self, turn: int, text: str) -> None:
        pass

    def ended(self, turn: int, state: RunState) -> None:
        pass

    def notice(self, turn: int, text: str) -> None:
        pass
