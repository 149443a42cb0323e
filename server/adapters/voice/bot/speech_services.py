"""The speech services: pipecat's for OpenAI, made to work with any compatible endpoint and to fail in a bounded way."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

from openai import NOT_GIVEN, AsyncOpenAI, Timeout
from pipecat.frames.frames import Frame, TranscriptionFrame, TTSAudioRawFrame
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.utils.text.transforms import strip_markdown
from pipecat.utils.time import time_now_iso8601

from server.adapters.voice.bot.speech_failure import (
    CONNECT_SECONDS,
    READ_SECONDS,
    SpeechFailure,
    tried,
    tried_stream,
)
from server.adapters.voice.link import SpeechToText, TextToSpeech

SAMPLE_RATE: Final = 24_000
"""Hz of the audio that `/audio/speech` gives as `pcm`: 16 bit, one channel."""
_NOTHING: Final = b"\0" * (SAMPLE_RATE // 50 * 2)
"""20 ms of silence, for sentences that have nothing to be said: the frames behind them must find their order."""
_MOST_REFUSED: Final = 3
"""Segments in a row that the service may refuse before it counts as failed."""
_AUDIO_CONTEXT_SECONDS: Final = 3 * (CONNECT_SECONDS + READ_SECONDS)
"""How long the synthesis may be silent within an answer: longer than all tries of a sentence take."""


class Transcriber(OpenAISTTService):
    """Speech to text at an OpenAI-compatible endpoint: a request for each stretch of speech."""

    def __init__(self, config: SpeechToText, *, language: str | None) -> None:
        """`language`: ISO 639-1; without it the service finds out by itself."""
        super().__init__(api_key=_key(config), settings=self.Settings(model=config.model))
        self._client = _client(config)
        self._model = config.model
        self._language = language
        self._refused = 0

    async def cleanup(self) -> None:
        """Close the connections."""
        await super().cleanup()
        await self._client.close()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        """The transcript of a WAV file, if there is one. Raises `SpeechFailure`, also when the service refuses several
        in a row; one alone may be of a noise."""

        async def transcribe() -> Any:
            return await self._client.audio.transcriptions.create(
                file=("audio.wav", audio, "audio/wav"), model=self._model, language=self._language or NOT_GIVEN
            )

        try:
            reply = await tried("speech to text", transcribe)
        except SpeechFailure as failed:
            self._refused += 1
            if not failed.is_of_the_request or self._refused == _MOST_REFUSED:
                raise
            return
        self._refused = 0
        if text := reply.text.strip():
            yield TranscriptionFrame(text, self._user_id, time_now_iso8601())


class Speaker(OpenAITTSService):
    """Text to speech at an OpenAI-compatible endpoint, with whatever voices that one has."""

    def __init__(self, config: TextToSpeech) -> None:
        super().__init__(
            api_key=_key(config),
            settings=self.Settings(model=config.model, voice=config.voice),
            sample_rate=SAMPLE_RATE,
            stop_frame_timeout_s=_AUDIO_CONTEXT_SECONDS,
            # An empty reply is a failure of its own here.
            max_consecutive_zero_audio_contexts=0,
        )
        self._client = _client(config)
        self._config = config

    async def cleanup(self) -> None:
        """Close the connections."""
        await super().cleanup()
        await self._client.close()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """The audio of a sentence, as it comes, its marks of Markdown unspoken. Raises `SpeechFailure`: the sentence
        then does not count as spoken."""
        words = await strip_markdown(text, "sentence")
        if not any(character.isalnum() for character in words):
            yield TTSAudioRawFrame(_NOTHING, SAMPLE_RATE, 1, context_id=context_id)
            return
        half = b""
        async for chunk in tried_stream("text to speech", lambda: self._synthesis(words)):
            audio = half + chunk
            whole = len(audio) & ~1
            half = audio[whole:]
            if whole:
                yield TTSAudioRawFrame(audio[:whole], SAMPLE_RATE, 1, context_id=context_id)

    async def _synthesis(self, text: str) -> AsyncIterator[bytes]:
        request = self._client.audio.speech.with_streaming_response.create(
            input=text, model=self._config.model, voice=self._config.voice, response_format="pcm"
        )
        async with request as reply:
            async for chunk in reply.iter_bytes(self.chunk_size):
                yield chunk


def _key(config: SpeechToText | TextToSpeech) -> str:
    # A local service needs none, and without one the library would look for another in the environment.
    return config.api_key or "none"


def _client(config: SpeechToText | TextToSpeech) -> AsyncOpenAI:
    # Tries are counted in one place only.
    return AsyncOpenAI(
        api_key=_key(config),
        base_url=config.base_url,
        max_retries=0,
        timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
    )
