"""Notes what has been heard in the room of what the bot says."""

from pipecat.frames.frames import Frame, InterruptionFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from server.adapters.voice.bot.mouth import AnswerOver, Mouth
from server.adapters.voice.bot.turns import Turns


class Audience(FrameProcessor):
    """Stands behind the room's output, where a text arrives once the audio before it has been played.

    Services that tell when each word is spoken have it word by word, others sentence by sentence: what is broken off
    within a sentence then does not count.
    """

    def __init__(self, turns: Turns, mouth: Mouth) -> None:
        # Direct: in a queue of its own, what was heard before an interruption would be dropped by it.
        super().__init__(enable_direct_mode=True)
        self._turns = turns
        self._mouth = mouth

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Tell the turns how far their answers have been heard."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSTextFrame):
            await self._mouth.heard(frame.segment_id, frame.text)
        elif isinstance(frame, AnswerOver):
            self._turns.finish(frame.turn)
        elif isinstance(frame, InterruptionFrame):
            self._turns.silence()
        await self.push_frame(frame, direction)
