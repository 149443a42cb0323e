"""The ear of the bot: puts together what a user says in a turn."""

from pipecat.frames.frames import Frame, TranscriptionFrame, UserStoppedSpeakingFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from server.adapters.voice.bot.turns import Turns


class Ear(FrameProcessor):
    """Stands between the transcription and the processor that decides where turns end.

    There, transcripts pass before that processor sees them and its decision comes back after, so no transcript of a
    turn is late for it. One that comes after the turn's end begins the next turn, so nothing that was said is lost.
    """

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns
        self._transcripts: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Collect transcripts; at the end of the turn, say what was heard. A turn without words is none."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            # A service may send half a character, which no line of the link can hold.
            self._transcripts.append(frame.text.encode(errors="replace").decode().strip())
        elif isinstance(frame, UserStoppedSpeakingFrame):
            self._end_turn()
        await self.push_frame(frame, direction)

    def _end_turn(self) -> None:
        text = " ".join(filter(None, self._transcripts))
        self._transcripts.clear()
        if text:
            self._turns.hear(text)
