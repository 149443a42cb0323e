"""The mouth of the bot: what the server answers on its way to be spoken."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from pipecat.frames.frames import (
    AggregatedTextFrame,
    ControlFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TextType,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from server.adapters.voice.bot.sentences import Sentences
from server.adapters.voice.bot.turns import Turns, advanced
from server.adapters.voice.link import Ended, Notice, Piece

_AHEAD: Final = 3
"""Sentences that are synthesized before they are heard: enough for no gap between them, little enough that an answer of
hours does not become audio at once."""
_STEP: Final = 500
"""Characters of a piece that are taken at a time."""
_MOST_NOTICES: Final = 16
"""Sentences of notices that wait to be spoken."""
_MOST_CHARACTERS: Final = 2000
"""Of a notice."""
_SILENCED_BY_OTHERS: Final = frozenset({"CANCELLED", "INTERRUPTED"})


@dataclass
class AnswerOver(ControlFrame):
    """Travels behind the last sentence of an answer: where it passes, all of it has been spoken."""

    turn: int = 0


@dataclass(slots=True)
class _Saying:
    """A sentence."""

    text: str
    turn: int | None
    """Of whose answer it is a part; `None`: it is a notice."""
    spoken: int = 0

    @property
    def is_spoken(self) -> bool:
        return not self.text[self.spoken :].strip()


@dataclass(frozen=True, slots=True)
class _End:
    """No more for now: the synthesis need not wait for another sentence."""

    turn: int | None
    """Whose answer is over; `None`: more may come of it."""


class Mouth(FrameProcessor):
    """Stands before the synthesis. What the link brings comes in by the methods, an interruption as a frame."""

    def __init__(self, turns: Turns, *, language: str) -> None:
        super().__init__()
        self._turns = turns
        self._sentences = Sentences(language=language)
        self._waiting: deque[_Saying | _End] = deque()
        self._on_its_way: dict[int, _Saying] = {}
        """Sentences given to the synthesis and not heard yet, by their frames' ids."""
        self._is_open = False
        """Whether the synthesis waits for more sentences."""
        # What is taken must not overtake the interruption that makes it late.
        self._lock = asyncio.Lock()

    async def say(self, piece: Piece) -> None:
        """A piece of an answer; one of a turn that is past is dropped.

        A large one is taken in steps, for some texts take the tokenizer long, and audio and interruptions do not wait.
        """
        for begin in range(0, len(piece.text), _STEP):
            async with self._lock:
                text = self._turns.write(piece.turn, piece.text[begin : begin + _STEP])
                self._queue(await self._sentences.add(text), piece.turn)
                await self._go_on()
            await asyncio.sleep(0)

    async def end(self, ended: Ended) -> None:
        """No further pieces come of that turn, or none for now."""
        async with self._lock:
            if not self._turns.takes(ended.turn):
                return
            if ended.status in _SILENCED_BY_OTHERS:
                await self._hush(ended.turn)
                return
            if ended.waits:
                self._turns.wait(ended.turn)
            self._queue(await self._sentences.end(), ended.turn)
            self._waiting.append(_End(None if ended.waits else ended.turn))
            await self._go_on()

    async def notify(self, notice: Notice) -> None:
        """Speak what is no part of the answer, behind what came of it before."""
        async with self._lock:
            notices = sum(isinstance(each, _Saying) and each.turn is None for each in self._waiting)
            if not self._turns.takes_notice(notice.turn) or notices >= _MOST_NOTICES:
                return
            self._queue(await self._sentences.end(), notice.turn)
            self._waiting.append(_End(None))
            self._queue(await self._sentences.add(notice.text[:_MOST_CHARACTERS]), None)
            self._queue(await self._sentences.end(), None)
            self._waiting.append(_End(None))
            await self._go_on()

    async def heard(self, frame_id: int | None, words: str) -> None:
        """These words of the sentence in that frame have been heard in the room."""
        saying = self._on_its_way.get(frame_id or 0)
        if saying is None:
            return
        saying.spoken = advanced(saying.text, saying.spoken, words)
        if saying.turn is not None:
            self._turns.speak(saying.turn, words)
        if saying.is_spoken:
            del self._on_its_way[frame_id or 0]
            async with self._lock:
                await self._go_on()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """On an interruption forget what waits; keep what was said by users from the synthesis."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame | TranscriptionFrame):
            return
        if isinstance(frame, InterruptionFrame):
            async with self._lock:
                self._turns.interrupt()
                await self._forget()
                await self.push_frame(frame, direction)
            return
        await self.push_frame(frame, direction)

    def _queue(self, sentences: list[str], turn: int | None) -> None:
        self._waiting.extend(_Saying(sentence, turn) for sentence in sentences)

    async def _go_on(self) -> None:
        while self._waiting and len(self._on_its_way) < _AHEAD:
            item = self._waiting.popleft()
            if isinstance(item, _Saying):
                await self._give(item)
            else:
                await self._end(item)

    async def _give(self, saying: _Saying) -> None:
        if not self._is_open:
            self._is_open = True
            await self.push_frame(LLMFullResponseStartFrame())
        frame = AggregatedTextFrame(saying.text, TextType.SENTENCE, raw_text=saying.text)
        self._on_its_way[frame.id] = saying
        await self.push_frame(frame)

    async def _end(self, end: _End) -> None:
        if self._is_open:
            self._is_open = False
            await self.push_frame(LLMFullResponseEndFrame())
        if end.turn is not None:
            await self.push_frame(AnswerOver(turn=end.turn))

    async def _hush(self, turn: int) -> None:
        if self._turns.hush(turn):
            await self._forget()
            await self.broadcast_interruption()

    async def _forget(self) -> None:
        self._waiting.clear()
        self._on_its_way.clear()
        self._is_open = False
        await self._sentences.reset()
