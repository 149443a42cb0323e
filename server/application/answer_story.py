"""An answer as it comes, for readers that can take back what they were shown when it is begun again. Pure, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.domain.events import (
    AttemptReset,
    Event,
    MessageCompleted,
    MessageStarted,
    ReasoningDelta,
    TextDelta,
)
from server.domain.ids import MessageId
from server.domain.message import Role


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer begins, with a message; what was told of it before is void."""

    message_id: MessageId


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of what the model thinks."""

    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer."""

    text: str


Part = Begun | Thought | Said


@dataclass(frozen=True, slots=True)
class Told:
    """A part, and the place in the log up to which its reader has seen the run then."""

    part: Part
    sequence: int


class AnswerStory:
    """Tells the events of one run, from its first on and in order.

    An answer is begun once, whatever rounds it takes: the texts of its messages follow each other. A fault voids what
    the message that was open then had said, and nothing else; so when it is begun again, what still counts is told
    again first.
    """

    def __init__(self) -> None:
        self._whole: list[Part] = []
        """What the messages said that are whole."""
        self._open: list[Part] = []
        self._is_open = False
        self._is_told = False
        """Whether what was told is what counts."""
        self.message_id: MessageId | None = None
        """The message that was started last."""

    def take(self, event: Event) -> Sequence[Told]:
        """What to tell of an event."""
        match event.payload:
            case MessageStarted(message_id=message_id, role=Role.ASSISTANT):
                return self._start(message_id, event.sequence)
            case TextDelta(text=text):
                return self._grow(Said(text), event.sequence)
            case ReasoningDelta(text=text):
                return self._grow(Thought(text), event.sequence)
            case MessageCompleted(message=message) if message.role is Role.ASSISTANT:
                self._whole += _joined(self._open)
                self._open, self._is_open = [], False
            case AttemptReset():
                self._is_told = self._is_told and not self._is_open
                self._open, self._is_open = [], False
        return []

    def _start(self, message_id: MessageId, sequence: int) -> Sequence[Told]:
        self.message_id, self._is_open = message_id, True
        if self._is_told:
            return []
        self._is_told = True
        *earlier, last = [Begun(message_id), *self._whole]
        # Who goes on behind one of the earlier parts is told all of them again.
        return [*(Told(part, sequence - 1) for part in earlier), Told(last, sequence)]

    def _grow(self, part: Said | Thought, sequence: int) -> Sequence[Told]:
        self._open.append(part)
        return [Told(part, sequence)]


def _joined(parts: Sequence[Part]) -> list[Part]:
    """What a message thought, and what it said."""
    thought = "".join(part.text for part in parts if isinstance(part, Thought))
    said = "".join(part.text for part in parts if isinstance(part, Said))
    return [part for part in (Thought(thought), Said(said)) if part.text]
