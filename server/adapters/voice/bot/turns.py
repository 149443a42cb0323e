"""What was heard, answered and spoken, turn by turn; the bot numbers the turns. Knows nothing of audio or frames."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from server.adapters.voice.link import BargeIn, Heard, Spoken

MOST_CHARACTERS: Final = 1 << 17
"""Of an answer: two hours of speech. What goes beyond is not spoken, so that no flood of pieces fills the memory, and
the link is read on whatever comes: behind the flood there may be a `leave`."""
MOST_HEARD: Final = 1 << 15
"""Characters of a user's turn that are passed on."""

Told = Heard | BargeIn | Spoken
Tell = Callable[[Told], None]


def advanced(text: str, begin: int, words: str) -> int:
    """Where `words` end in `text` when they are looked for from `begin`. White space counts for nothing, for who speaks
    trims and joins; where they differ the place before the difference is given, so that never too much is claimed."""
    place = begin
    for character in words:
        if character.isspace():
            continue
        at = place
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text) or text[at] != character:
            break
        place = at + 1
    return place


@dataclass(slots=True)
class Answer:
    """The answer of a turn, as far as it is written and spoken."""

    turn: int
    spoken: int = 0
    """Characters of the text that have been spoken."""
    waits: bool = False
    """The run waits for somebody, so that more may come."""
    is_interrupted: bool = False
    """Nothing more of it is taken, and nothing more will be spoken."""
    is_done: bool = False
    _pieces: list[str] = field(default_factory=list)
    _size: int = 0

    @property
    def text(self) -> str:
        """What is written so far."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def write(self, text: str) -> str:
        """Add to it, and say what of that there was room for."""
        taken = text[: MOST_CHARACTERS - self._size]
        self._pieces.append(taken)
        self._size += len(taken)
        self.waits = False
        return taken

    @property
    def is_all_spoken(self) -> bool:
        """Whether nothing of what is written waits to be spoken."""
        return not self.text[self.spoken :].strip()


class Turns:
    """The turns of a session, of which one at most has an answer that is not done.

    For every turn that was heard, `spoken` is told as done exactly once, always with a beginning of what was written.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._count = 0
        self._answer: Answer | None = None

    def hear(self, text: str) -> None:
        """The user has said this: the next turn."""
        self.close()
        self._count += 1
        self._answer = Answer(self._count)
        self._tell(Heard(turn=self._count, text=text[:MOST_HEARD]))

    def write(self, turn: int, text: str) -> str:
        """A piece of the turn's answer; gives what of it is to be spoken, nothing when the turn is past."""
        answer = self._open(turn)
        return "" if answer is None else answer.write(text)

    def takes(self, turn: int) -> bool:
        """Whether more of this turn's answer may come."""
        return self._open(turn) is not None

    def takes_notice(self, turn: int) -> bool:
        """Whether something may be said about this turn: also when its answer is done, but not when the user broke it
        off or went on."""
        return self._answer is not None and self._answer.turn == turn and not self._answer.is_interrupted

    def wait(self, turn: int) -> None:
        """The turn's run waits for somebody."""
        if answer := self._open(turn):
            answer.waits = True

    def hush(self, turn: int) -> bool:
        """The turn's run was ended by somebody else: whether there is something to be silenced."""
        answer = self._open(turn)
        if answer is None:
            return False
        answer.is_interrupted = True
        return True

    def interrupt(self) -> None:
        """The user begins to speak. It is no barge-in where nothing is written or spoken: the answer is done, or it
        waits for somebody and has been spoken so far."""
        answer = self._answer
        if answer is None or answer.is_interrupted or answer.is_done or (answer.waits and answer.is_all_spoken):
            return
        answer.is_interrupted = True
        self._tell(BargeIn(turn=answer.turn))

    def speak(self, turn: int, words: str) -> None:
        """These words, which follow what was spoken before, have now been spoken."""
        answer = self._answer
        if answer is None or answer.turn != turn or answer.is_done:
            return
        answer.spoken = advanced(answer.text, answer.spoken, words)
        self._report(answer)

    def silence(self) -> None:
        """What was interrupted can no longer be heard."""
        if self._answer is not None and self._answer.is_interrupted:
            self.close()

    def finish(self, turn: int) -> None:
        """All of the turn's answer has been spoken."""
        if self._answer is not None and self._answer.turn == turn:
            self.close()

    def close(self) -> None:
        """Nothing more will be spoken of the answer that is open, if one is."""
        if self._answer is not None and not self._answer.is_done:
            self._answer.is_done = True
            self._report(self._answer)

    def _open(self, turn: int) -> Answer | None:
        answer = self._answer
        if answer is None or answer.turn != turn or answer.is_interrupted or answer.is_done:
            return None
        return answer

    def _report(self, answer: Answer) -> None:
        self._tell(Spoken(turn=answer.turn, text=answer.text[: answer.spoken], done=answer.is_done))
