"""Plays one script on one connection."""

import asyncio

from tests.support.upstream.connection import ClientGone, Connection
from tests.support.upstream.gate import Gate
from tests.support.upstream.scripts import End, Endless, Pause, Script, Step


class Player:
    """Writes a script's bytes, sliced and cut as it says."""

    def __init__(self, script: Script, connection: Connection) -> None:
        self._script = script
        self._connection = connection
        self._left = script.cut_at

    async def play(self) -> bool:
        """Play to the end; whether the connection can take another request. Raises `ClientGone`."""
        for step in self._script.steps:
            if not await self._step(step):
                return False
        return True

    async def _step(self, step: Step) -> bool:
        match step:
            case bytes():
                return await self._write(step)
            case Endless(part):
                assert isinstance(part, bytes)
                return await self._repeat(part)
            case Gate():
                await step.pass_through()
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case End():
                await self._end(step)
                return False
        return True

    async def _repeat(self, part: bytes) -> bool:
        while True:
            if not await self._write(part):
                return False
            await asyncio.sleep(0)

    async def _write(self, data: bytes) -> bool:
        """Whether the script goes on behind this."""
        allowed = data if self._left is None else data[: self._left]
        for piece in _sliced(allowed, self._script.slice_bytes):
            await self._connection.send(piece)
            if self._script.slice_bytes:
                await asyncio.sleep(0)
        if self._left is None:
            return True
        self._left -= len(allowed)
        if self._left:
            return True
        await self._end(self._script.cut_by)
        return False

    async def _end(self, end: End) -> None:
        match end:
            case End.FIN:
                self._connection.finish()
            case End.RESET:
                self._connection.reset()
            case End.HANG:
                await self._connection.gone.wait()
                raise ClientGone


def _sliced(data: bytes, count: int | None) -> list[bytes]:
    return [data] if count is None else [data[at : at + count] for at in range(0, len(data), count)]
