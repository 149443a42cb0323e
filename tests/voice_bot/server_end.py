"""The server's end of the link."""

import asyncio
from collections import defaultdict
from typing import TypeVar

from server.adapters.voice.link import Ended, Piece, Spoken, ToBot, ToServer, decode_to_server, encode

_Message = TypeVar("_Message")
SECONDS = 45
"""How long a message may take on a busy machine."""


class ServerEnd:
    """Writes what the server would, and holds every report to what is promised of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.WriteTransport) -> None:
        self._reader = reader
        self._writer = writer
        self.messages: list[ToServer] = []
        self.spoken: dict[int, list[Spoken]] = defaultdict(list)
        self.written: dict[int, str] = defaultdict(str)

    def send(self, *messages: ToBot) -> None:
        """Send all of them at once."""
        for message in messages:
            if isinstance(message, Piece):
                self.written[message.turn] += message.text
            self._writer.write(encode(message))

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    def answer(self, turn: int, *pieces: str, status: str = "COMPLETED") -> None:
        """A whole answer."""
        self.send(*(Piece(turn=turn, text=piece) for piece in pieces), Ended(turn=turn, status=status))

    def hang_up(self) -> None:
        """Close the link."""
        self._writer.close()

    async def next(self) -> ToServer | None:
        """The next message; `None` at the end of the link."""
        async with asyncio.timeout(SECONDS):
            line = await self._reader.readline()
        if not line:
            return None
        message = decode_to_server(line)
        self.messages.append(message)
        if isinstance(message, Spoken):
            self._check(message)
        return message

    async def until(self, kind: type[_Message]) -> _Message:
        """The next message of a kind, whatever `spoken` comes before it."""
        while not isinstance(message := await self.next(), kind):
            assert isinstance(message, Spoken), message
        return message

    async def done(self, turn: int) -> str:
        """What had been spoken of a turn when it was done."""
        while not (message := await self.until(Spoken)).done:
            pass
        assert message.turn == turn
        return message.text

    def _check(self, message: Spoken) -> None:
        """What holds of every report: it is a beginning of the answer, it grows, and nothing comes behind the last."""
        before = self.spoken[message.turn]
        assert not any(each.done for each in before)
        assert self.written[message.turn].startswith(message.text)
        assert not before or message.text.startswith(before[-1].text)
        before.append(message)
