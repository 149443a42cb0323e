"""A room in this process: the test speaks into it, and decides how much of what the bot says is played."""

import asyncio
from typing import Any

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import CancelWorkerFrame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from server.adapters.voice.bot.room import RoomEvents

IN_RATE = 16_000
_FRAME = IN_RATE // 50
"""Samples of 20 ms."""


class LoopbackRoom(BaseTransport):
    """A room that lets the bot in as soon as the pipeline runs, unless `lets_in` is false, with one user in it, unless
    it is empty."""

    def __init__(self, events: RoomEvents, *, lets_in: bool = True, is_empty: bool = False) -> None:
        super().__init__()
        self.events = events
        self.lets_in = lets_in
        self.is_empty = is_empty
        self.played = bytearray()
        """Audio that came out, 24 kHz, 16 bit."""
        self._playable = float("inf")
        self._news = asyncio.Condition()
        self.is_left = False
        params = TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0)
        self._input = _Input(self, params)
        self._output = _Output(self, params)

    def input(self) -> Any:
        return self._input

    def output(self) -> Any:
        return self._output

    async def speak(self, samples: bytes) -> None:
        """The user's microphone gives this: 16 kHz, 16 bit."""
        for begin in range(0, len(samples), 2 * _FRAME):
            await self._input.push_audio_frame(InputAudioRawFrame(samples[begin : begin + 2 * _FRAME], IN_RATE, 1))

    async def enter(self) -> None:
        """The bot comes in."""

    async def break_down(self) -> None:
        """End the pipeline from within, as a part does that is of no use any more."""
        await self._input.push_frame(CancelWorkerFrame(), FrameDirection.UPSTREAM)

    def play_only(self, count: float) -> None:
        """Play `count` bytes in all; what comes behind them waits."""
        self._playable = count

    async def play_on(self) -> None:
        """Play whatever comes."""
        async with self._news:
            self._playable = float("inf")
            self._news.notify_all()

    async def write(self, audio: bytes) -> None:
        """The bot says this."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.played) + len(audio) <= self._playable)
            self.played += audio


class _Input(BaseInputTransport):
    def __init__(self, room: LoopbackRoom, params: TransportParams) -> None:
        super().__init__(params)
        self._room = room

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        await self._room.enter()
        if self._room.lets_in:
            self._room.events.joined()
            if not self._room.is_empty:
                self._room.events.arrived("user")

    async def cleanup(self) -> None:
        await super().cleanup()
        self._room.is_left = True


class _Output(BaseOutputTransport):
    def __init__(self, room: LoopbackRoom, params: TransportParams) -> None:
        super().__init__(params)
        self._room = room

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await self._room.write(frame.audio)
        return True


class LoudnessVad(VADAnalyzer):
    """Takes whatever is loud for speech."""

    def __init__(self) -> None:
        super().__init__(params=VADParams(min_volume=0.0))

    def num_frames_required(self) -> int:
        return _FRAME

    def voice_confidence(self, buffer: bytes) -> float:
        return float(any(buffer))


LOUD = b"\x00\x40" * (IN_RATE // 2)
"""Half a second of what `LoudnessVad` takes for speech."""
QUIET = b"\0\0" * (IN_RATE // 2)
