"""The scripted server as a process: `python -m tests.support.mcp.stdio_server DIRECTORY`."""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.support.mcp.player import Message, Player

_LONGEST_LINE = 1 << 25


class Stdout:
    """Writes messages to standard output, a line each; blocks as a simple server does when nobody reads."""

    def __init__(self) -> None:
        self.is_deaf = False

    async def send(self, message: Message) -> None:
        """One line."""
        await self.raw(json.dumps(message).encode() + b"\n")

    async def raw(self, data: bytes) -> None:
        """The bytes as they are."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    async def leave(self, code: int) -> None:
        """End the process without cleaning up."""
        os._exit(code)

    def deafen(self) -> None:
        """Leave the input unread."""
        self.is_deaf = True


async def serve(directory: Path) -> None:
    """Play the directory's script until the input ends."""
    reader = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    player, out = Player(directory), Stdout()
    await player.started()
    under_way: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(player.take(json.loads(line), out))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(0)
        if out.is_deaf:
            await asyncio.Event().wait()
    # As real servers do: what is under way when the input ends is given up.
    for task in under_way:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
