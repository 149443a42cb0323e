"""The bot as a program of its own, in a room on a loopback port: `python -m tests.voice_bot.entry [PORT]`.

Without a port the room's URL names it. Whoever listens there sends what the user says (16 kHz, 16 bit), receives what
the bot says (24 kHz, 16 bit), and puts the bot out by closing the connection.
"""

import asyncio
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from server.adapters.voice.bot.__main__ import main

if TYPE_CHECKING:
    from server.adapters.voice.bot.room import RoomEvents
    from server.adapters.voice.link import Start


def open_room(start: "Start", events: "RoomEvents") -> Any:
    """The room at the port that the URL names."""
    from tests.voice_bot.loopback import LoopbackRoom

    class SocketRoom(LoopbackRoom):
        """Passes audio both ways."""

        async def enter(self) -> None:
            port = int(sys.argv[1]) if len(sys.argv) > 1 else urlsplit(start.room_url).port
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
            print("a line that a library prints")
            self._input.create_task(self._listen())

        async def _listen(self) -> None:
            while samples := await self._reader.read(1 << 16):
                await self.speak(samples)
            self.events.removed()

        async def write(self, audio: bytes) -> None:
            self._writer.write(audio)
            await self._writer.drain()

    return SocketRoom(events)


if __name__ == "__main__":
    sys.exit(main(open_room))
