"""One turn of a call: what was written in answer to it, message by message, and how much of that was spoken."""

import asyncio
from dataclasses import dataclass, field

from server.domain.ids import MessageId
from server.domain.run import Run
from server.domain.speech import shares, spoken_length

PARAGRAPH = "\n\n"
"""Stands between two messages of an answer, so that the last sentence of the one is spoken to its end."""


@dataclass(slots=True)
class _Written:
    """A message as far as its text has come."""

    id: MessageId
    text: str = ""


@dataclass(slots=True)
class Turn:
    """The answer to a turn. Several messages, where the model asks for tools between; an attempt that was begun again
    leaves words behind that were spoken and are no message's."""

    number: int
    run: Run
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once everything is stored that will be."""
    spoken: str | None = None
    """What was spoken of it; `None`: nobody has said."""
    is_spoken_to_the_end: bool = False
    is_settled: bool = False
    """Whether what was spoken is stored, or it was tried."""
    _written: list[_Written] = field(default_factory=list)

    def add(self, message_id: MessageId, text: str) -> str:
        """Note a piece of a message; returns it as it is to be spoken."""
        if self._written and self._written[-1].id == message_id:
            self._written[-1].text += text
            return text
        begins = not self._written
        self._written.append(_Written(message_id, text))
        return text if begins else PARAGRAPH + text

    def has(self, message_id: MessageId) -> bool:
        """Whether a piece of that message was noted."""
        return any(each.id == message_id for each in self._written)

    def heard(self) -> dict[MessageId, int]:
        """How many characters of each message were spoken; empty when nobody has said."""
        if self.spoken is None:
            return {}
        texts = [each.text for each in self._written]
        known = shares([len(text) for text in texts], spoken_length("".join(texts), self.spoken))
        return {each.id: length for each, length in zip(self._written, known, strict=True)}
