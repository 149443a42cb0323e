"""From the room's audio to the turns, and from answers to the room's audio."""

from dataclasses import dataclass
from typing import Any

from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker, ProcessorUnusablePolicy
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from server.adapters.voice.bot.audience import Audience
from server.adapters.voice.bot.ear import Ear
from server.adapters.voice.bot.mouth import Mouth
from server.adapters.voice.bot.speech_services import SAMPLE_RATE, Speaker, Transcriber
from server.adapters.voice.bot.turns import Turns
from server.adapters.voice.link import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How speech is found in audio, understood and made. The models that find it come with pipecat and run in this
    process; only understanding and making it call services."""

    voice_activity: Any
    """A `VADAnalyzer`."""
    turn_strategies: UserTurnStrategies
    transcriber: Any
    """An `STTService`."""
    speaker: Any
    """A `TTSService`."""


def speech_of(start: Start) -> Speech:
    """The speech that `start` configures."""
    whether_done = TurnAnalyzerUserTurnStopStrategy(turn_analyzer=LocalSmartTurnAnalyzerV3())
    return Speech(
        voice_activity=SileroVADAnalyzer(),
        turn_strategies=UserTurnStrategies(stop=[whether_done]),
        transcriber=Transcriber(start.speech_to_text, language=start.language),
        speaker=Speaker(start.text_to_speech),
    )


def worker_of(room: BaseTransport, speech: Speech, turns: Turns, mouth: Mouth) -> PipelineWorker:
    """The pipeline, ready to run. It ends only when it is cancelled, or when one of its parts is of no use any more."""
    pipeline = Pipeline(
        [
            room.input(),
            VADProcessor(vad_analyzer=speech.voice_activity),
            speech.transcriber,
            Ear(turns),
            UserTurnProcessor(user_turn_strategies=speech.turn_strategies),
            mouth,
            speech.speaker,
            room.output(),
            Audience(turns, mouth),
        ]
    )
    return PipelineWorker(
        pipeline,
        params=PipelineParams(audio_out_sample_rate=SAMPLE_RATE),
        # Silence is no reason to end: the session's expiry and an empty room are.
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
        processor_unusable_policy=ProcessorUnusablePolicy.CANCEL,
    )
