"""What somebody who waits for an answer is shown of its run: pieces that, joined, are the answer. Pure, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from server.domain.errors import AnswerRestarted
from server.domain.events import (
    AttemptReset,
    ConversationNamed,
    Event,
    MessageCompleted,
    MessageStarted,
    Payload,
    ReasoningDelta,
    RunEnded,
    RunPaused,
    RunQueued,
    TextDelta,
    ToolCallStarted,
)
from server.domain.ids import RunId
from server.domain.message import Role
from server.domain.run import RunState


@dataclass(frozen=True, slots=True)
class Progress:
    """A sentence for people."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Titled:
    """The conversation has got a title."""

    title: str


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """A piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """The answer: all pieces joined."""

    text: str


Shown = Progress | Titled | AnswerPiece | WholeAnswer

WAITING = Progress("Waiting for the answers before this one.")
WORKING = Progress("Working on the answer.")
THINKING = Progress("Thinking.")
AGAIN = Progress("Beginning again after a fault.")
STOPPING = Progress("The server is about to stop; the answer goes on, and this stream can be continued.")
CALLING = Progress("Calling a tool.")
PAUSED = Progress("Waiting for a decision about a tool, or for its result.")
_SENTENCES: Final[Mapping[type[Payload], Progress]] = {
    RunQueued: WAITING,
    MessageStarted: WORKING,
    ToolCallStarted: CALLING,
    RunPaused: PAUSED,
}


class AnswerView:
    """Translates the events of one run, from its first on and in order.

    The answer is the text of all messages that the run's model wrote, one for each of its rounds. A fault voids only
    what the message that was open then had said. When its text had been shown, what follows is held back as long as it
    repeats that, and shown from there on; text that is different cannot be shown any more, for what was shown cannot be
    taken back. Of attempts before `attempt`, only messages that are whole are shown: none that may turn out void.

    A title never comes first: an answer that fails before it was begun is an error, and nothing was shown of it.
    """

    def __init__(self, run_id: RunId, *, attempt: int) -> None:
        self._run_id = run_id
        self._attempt = attempt
        self._pieces: list[str] = []
        self._open: list[str] = []
        """What the open message has said, of the attempts that are shown as they come."""
        self._early: list[str] = []
        """What it has said in an attempt before those."""
        self._to_repeat = ""
        """What is void and was shown; what counts has repeated it up to …"""
        self._repeated = 0
        self._is_thinking = False
        self._has_shown = False
        self._early_title: list[Shown] = []
        self.is_titled = False
        """Whether a title has come."""

    def take(self, event: Event) -> Sequence[Shown]:
        """What the event is to somebody who waits; nothing for what is not shown, and for the end of a run that did not
        complete. Raises `AnswerRestarted`."""
        shown = self._translated(event)
        if not self._has_shown and shown and isinstance(shown[0], Titled):
            self._early_title = list(shown)
            return []
        if shown and self._early_title:
            shown, self._early_title = [*self._early_title, *shown], []
        self._has_shown = self._has_shown or bool(shown)
        return shown

    def _translated(self, event: Event) -> Sequence[Shown]:
        match event.payload:
            case TextDelta(text=text) if (event.epoch or 0) < self._attempt:
                self._early.append(text)
                return []
            case TextDelta(text=text):
                return self._say(text)
            case MessageCompleted(message=message) if message.role is Role.ASSISTANT:
                return self._complete()
            case AttemptReset():
                return self._begin_again()
            case RunEnded(state=RunState.COMPLETED):
                return [self._whole()]
        beside = self._beside(event.payload)
        return [] if beside is None else [beside]

    def _beside(self, payload: Payload) -> Shown | None:
        """What is told beside the answer."""
        match payload:
            case ConversationNamed(title=title):
                self.is_titled = True
                return Titled(title)
            case ReasoningDelta() if not self._is_thinking:
                self._is_thinking = True
                return THINKING
        return _SENTENCES.get(type(payload))

    def _begin_again(self) -> Sequence[Shown]:
        self._to_repeat, self._repeated = "".join(self._open) + self._to_repeat[self._repeated :], 0
        self._open, self._early = [], []
        self._is_thinking = False
        return [AGAIN]

    def _complete(self) -> Sequence[Shown]:
        shown = self._say("".join(self._early))
        self._open, self._early = [], []
        self._is_thinking = False
        return shown

    def _say(self, text: str) -> Sequence[Shown]:
        held_back = min(len(text), len(self._to_repeat) - self._repeated)
        if not self._to_repeat.startswith(text[:held_back], self._repeated):
            raise AnswerRestarted(self._run_id)
        self._repeated += held_back
        self._open.append(text)
        new = text[held_back:]
        if not new:
            return []
        self._pieces.append(new)
        return [AnswerPiece(new)]

    def _whole(self) -> WholeAnswer:
        if self._repeated < len(self._to_repeat):
            raise AnswerRestarted(self._run_id)
        return WholeAnswer("".join(self._pieces))
