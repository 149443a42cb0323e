"""The `[voice]` of a configuration file: rooms at Daily, and the services by which the bot hears and speaks.

[voice]
daily_api_key_env = "DAILY_API_KEY"        # the variable with Daily's key
daily_api_url = "https://api.daily.co/v1"  # optional
session_seconds = 3600                     # optional: how long a session lasts at most
join_seconds = 20                          # optional: how long a bot may take to join its room
sessions_per_user = 2                      # optional
sessions = 16                              # optional: of a process
language = "en"                            # optional: ISO 639-1; by default the service finds out

[voice.speech_to_text]                     # an OpenAI-compatible `/audio/transcriptions`
base_url = "https://api.openai.com/v1"     # optional
api_key_env = "OPENAI_API_KEY"
model = "gpt-4o-transcribe"

[voice.text_to_speech]                     # an OpenAI-compatible `/audio/speech`
base_url = "https://api.openai.com/v1"     # optional
api_key_env = "OPENAI_API_KEY"
model = "gpt-4o-mini-tts"
voice = "alloy"

[voice.phrases]                            # optional: what is said that no model wrote, in your users' language
awaits_approval = "Before I go on, I need your approval. Please look at your screen."
awaits_client = "One moment please, your device has something to do for me."
failed = "I am sorry, something went wrong. Please say that again."
refused = "I am sorry, I cannot answer that."
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final

from server.adapters.provider.endpoint import checked_api_key, checked_base_url
from server.adapters.provider.provider_config import OPENAI_BASE_URL, ConfigurationError
from server.adapters.provider.toml_table import TomlTable
from server.domain.voice import VoiceLimits
from server.ports.voice import Phrases

DAILY_API_URL: Final = "https://api.daily.co/v1"
_LONGEST_SESSION: Final = timedelta(hours=24)
_LONGEST_JOINING: Final = timedelta(seconds=45)
"""What a call has left of its minute when two requests to Daily have taken long, too."""


@dataclass(frozen=True, slots=True)
class DailyConfig:
    """How Daily is reached."""

    api_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    """An OpenAI-compatible service that hears, or speaks with a `voice`."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    voice: str = ""


@dataclass(frozen=True, slots=True)
class VoiceConfig:
    """Everything that voice takes."""

    daily: DailyConfig
    speech_to_text: SpeechConfig
    text_to_speech: SpeechConfig
    language: str | None = None
    limits: VoiceLimits = field(default_factory=VoiceLimits)
    phrases: Phrases = field(default_factory=Phrases)


def read_voice(toml: Mapping[str, Any] | None, env: Mapping[str, str]) -> VoiceConfig | None:
    """What a parsed file says; `None` when it says nothing of voice. Raises `ConfigurationError`."""
    if toml is None or "voice" not in toml:
        return None
    table = TomlTable(toml["voice"], "voice")
    url = checked_base_url(table.text("daily_api_url") or DAILY_API_URL, table.key("daily_api_url"))
    config = VoiceConfig(
        daily=DailyConfig(url, _key(table, "daily_api_key_env", env)),
        speech_to_text=_speech(table, toml["voice"], "speech_to_text", env, has_voice=False),
        text_to_speech=_speech(table, toml["voice"], "text_to_speech", env, has_voice=True),
        language=table.text("language"),
        limits=_limits(table),
        phrases=_phrases(table),
    )
    table.reject_others()
    return config


def _key(table: TomlTable, name: str, env: Mapping[str, str]) -> str:
    variable = table.text(name)
    if variable is None:
        raise ConfigurationError(f"{table.key(name)}: missing; name the environment variable that holds the key")
    if not env.get(variable):
        raise ConfigurationError(f"{table.key(name)}: the environment variable {variable} is not set; set it")
    return checked_api_key(env[variable], f"{table.key(name)}: {variable}")


def _speech(
    voice: TomlTable, values: Mapping[str, Any], name: str, env: Mapping[str, str], *, has_voice: bool
) -> SpeechConfig:
    if name not in values:
        raise ConfigurationError(f"{voice.key(name)}: missing; say which service it is")
    table = voice.table(name)
    model, speaker = table.text("model"), table.text("voice") if has_voice else ""
    for key, value in (("model", model), ("voice", speaker)):
        if value is None:
            raise ConfigurationError(f"{table.key(key)}: missing; name one that the service has")
    base_url = checked_base_url(table.text("base_url") or OPENAI_BASE_URL, table.key("base_url"))
    config = SpeechConfig(base_url, _key(table, "api_key_env", env), model or "", speaker or "")
    table.reject_others()
    return config


def _limits(table: TomlTable) -> VoiceLimits:
    usual = VoiceLimits()
    return VoiceLimits(
        duration=_duration(table, "session_seconds", usual.duration, most=_LONGEST_SESSION),
        joining=_duration(table, "join_seconds", usual.joining, most=_LONGEST_JOINING),
        per_user=table.whole("sessions_per_user") or usual.per_user,
        per_process=table.whole("sessions") or usual.per_process,
    )


def _duration(table: TomlTable, name: str, usual: timedelta, *, most: timedelta) -> timedelta:
    seconds = table.seconds(name)
    if seconds is not None and seconds > most.total_seconds():
        raise ConfigurationError(f"{table.key(name)}: at most {most.total_seconds():.0f}")
    return usual if seconds is None else timedelta(seconds=seconds)


def _phrases(voice: TomlTable) -> Phrases:
    table = voice.table("phrases")
    given = {each.name: table.text(each.name) for each in fields(Phrases)}
    table.reject_others()
    return Phrases(**{name: text for name, text in given.items() if text is not None})
