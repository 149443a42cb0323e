"""The speech services, as scripts over real HTTP, and the start that leads a bot to them."""

import json
import time
from collections import deque

from server.adapters.voice.link import SpeechToText, Start, TextToSpeech
from tests.support.upstream import RecordedRequest, Script, ScriptedUpstream, refusal, stream

SENTENCE = b"\x00\x20" * 2400
"""What a sentence sounds like: 100 ms at 24 kHz."""


def transcript(text: str) -> Script:
    """What the transcription service answers."""
    return refusal(200, body=json.dumps({"text": text}).encode())


class SpeechServices:
    """Both services on one address: each plays its scripts in order, then does what is usual."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.upstream = upstream
        self.hears: deque[Script] = deque()
        self.says: deque[Script] = deque()
        upstream.chooses = self._choose

    def asked_to_say(self) -> list[str]:
        """The texts that were to be spoken."""
        return [each.body["input"] for each in self.upstream.requests if each.path.endswith("/speech")]

    def asked_to_hear(self) -> list[bytes]:
        """The forms that were to be transcribed."""
        return [each.body for each in self.upstream.requests if each.path.endswith("/transcriptions")]

    def _choose(self, request: RecordedRequest) -> Script:
        if request.path == "/v1/audio/transcriptions":
            return self.hears.popleft() if self.hears else transcript("Hello.")
        assert request.path == "/v1/audio/speech"
        return self.says.popleft() if self.says else stream(SENTENCE)


def start_at(base_url: str, *, seconds: float = 600, language: str | None = None) -> Start:
    """A start whose services are there."""
    return Start(
        room_url="https://rooms.invalid/one",
        token="token-of-the-bot",
        bot_name="Parley",
        expires_at=int(time.time() + seconds),
        language=language,
        speech_to_text=SpeechToText(base_url=base_url, api_key="hearing-key", model="listener"),
        text_to_speech=TextToSpeech(base_url=base_url, api_key="speaking-key", model="speaker", voice="marvin"),
    )
