"""The `[voice]` of the configuration file."""

from datetime import timedelta
from typing import Any

import pytest

from server.adapters.provider.configuration import ConfigurationError
from server.adapters.voice.configuration import DailyConfig, SpeechConfig, VoiceConfig, read_voice
from server.domain.voice import VoiceLimits
from server.ports.voice import Phrases

ENV = {"DAILY": "daily-secret", "SPEECH": "speech-secret", "BAD": "two words"}
HEARS = {"api_key_env": "SPEECH", "model": "hears"}
SPEAKS = {"api_key_env": "SPEECH", "model": "speaks", "voice": "alloy"}
LEAST: dict[str, Any] = {"daily_api_key_env": "DAILY", "speech_to_text": HEARS, "text_to_speech": SPEAKS}


def read(**changes: Any) -> VoiceConfig | None:
    voice = {name: value for name, value in {**LEAST, **changes}.items() if value is not None}
    return read_voice({"voice": voice}, ENV)


def test_without_it_there_is_no_voice() -> None:
    assert read_voice(None, ENV) is None
    assert read_voice({}, ENV) is None


def test_keys_come_from_the_environment_and_the_rest_has_defaults() -> None:
    assert read() == VoiceConfig(
        daily=DailyConfig("https://api.daily.co/v1", "daily-secret"),
        speech_to_text=SpeechConfig("https://api.openai.com/v1", "speech-secret", "hears"),
        text_to_speech=SpeechConfig("https://api.openai.com/v1", "speech-secret", "speaks", "alloy"),
        language=None,
        limits=VoiceLimits(),
        phrases=Phrases(),
    )


def test_secrets_do_not_print() -> None:
    assert "secret" not in repr(read())


def test_everything_can_be_said() -> None:
    found = read(
        daily_api_url="http://127.0.0.1:1/v1/",
        session_seconds=60,
        join_seconds=5.5,
        sessions_per_user=3,
        sessions=4,
        language="de",
        speech_to_text={**HEARS, "base_url": "http://127.0.0.1:2/v1"},
        text_to_speech={**SPEAKS, "base_url": "http://127.0.0.1:3/v1"},
        phrases={"refused": "Nein."},
    )
    assert found is not None
    assert found.daily.api_url == "http://127.0.0.1:1/v1"
    assert (found.speech_to_text.base_url, found.text_to_speech.base_url) == (
        "http://127.0.0.1:2/v1",
        "http://127.0.0.1:3/v1",
    )
    assert found.limits == VoiceLimits(
        duration=timedelta(minutes=1), joining=timedelta(seconds=5.5), per_user=3, per_process=4
    )
    assert (found.language, found.phrases) == ("de", Phrases(refused="Nein."))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"daily_api_key_env": None}, "voice.daily_api_key_env: missing"),
        ({"daily_api_key_env": "NOWHERE"}, "the environment variable NOWHERE is not set"),
        ({"daily_api_key_env": "BAD"}, "voice.daily_api_key_env: BAD: an API key is one word"),
        ({"daily_api_key": "secret"}, "voice.daily_api_key: no such key"),
        ({"daily_api_url": "daily"}, "voice.daily_api_url: expected a URL"),
        ({"session_seconds": 0}, "voice.session_seconds: expected a positive number of seconds"),
        ({"session_seconds": 100_000}, "voice.session_seconds: at most 86400"),
        ({"join_seconds": 60}, "voice.join_seconds: at most 45"),
        ({"sessions": 0}, "voice.sessions: expected a positive whole number"),
        ({"speech_to_text": None}, "voice.speech_to_text: missing"),
        ({"speech_to_text": {"api_key_env": "SPEECH"}}, "voice.speech_to_text.model: missing"),
        ({"speech_to_text": {"model": "m"}}, "voice.speech_to_text.api_key_env: missing"),
        ({"speech_to_text": {**HEARS, "voice": "x"}}, "voice.speech_to_text.voice: no such key"),
        ({"text_to_speech": HEARS}, "voice.text_to_speech.voice: missing"),
        ({"text_to_speech": []}, "voice.text_to_speech: expected a table"),
        ({"phrases": {"hello": "x"}}, "voice.phrases.hello: no such key"),
        ({"phrases": {"failed": " "}}, "voice.phrases.failed: must not be empty"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(**changes)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value).replace("daily_api_key", "")


def test_it_is_a_table() -> None:
    with pytest.raises(ConfigurationError, match="voice: expected a table"):
        read_voice({"voice": []}, ENV)
