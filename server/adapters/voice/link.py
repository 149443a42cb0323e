"""What the server and the bot of a voice session say to each other: one JSON object a line, UTF-8, over the bot's
standard input and output.

Both ends are of one version, so both are strict: whatever is not exactly one of these messages is a `LinkError`, and
who gets one ends the session. End of file on either side means that the other is gone.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeVar

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

MOST_BYTES: Final = 1 << 20
"""Of a line, its end included."""

FailedReason = Literal["NOT_INSTALLED", "JOIN_FAILED", "SPEECH_FAILED", "BAD_START"]
"""Why a bot could not do its work."""
LeftReason = Literal["LEAVE", "EXPIRED", "EMPTY", "REMOVED"]
"""Why a bot that worked left the room: it was told to, the session's time was over, nobody was there any more, or it
was put out."""

Turn = Annotated[int, Field(ge=1)]
"""Which turn of the user's: the bot counts them, from 1."""
Words = Annotated[str, Field(min_length=1)]


class LinkError(Exception):
    """What arrived is no message, or what is to be sent fits into none. The text tells no content."""


class _Strict:
    """What is read with a field that is not of it is refused."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechToText(_Strict):
    """An OpenAI-compatible endpoint that serves `/audio/transcriptions`."""

    base_url: Words
    api_key: str = field(repr=False)
    model: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class TextToSpeech(_Strict):
    """An OpenAI-compatible endpoint that serves `/audio/speech`."""

    base_url: Words
    api_key: str = field(repr=False)
    model: Words
    voice: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(_Strict):
    """Server to bot, its first line, once: join this room."""

    room_url: Words
    token: str = field(repr=False)
    """The bot's meeting token."""
    bot_name: Words
    """What the others in the room see."""
    expires_at: Annotated[int, Field(gt=0)]
    """Unix seconds at which the session ends, whatever goes on then."""
    speech_to_text: SpeechToText
    text_to_speech: TextToSpeech
    language: Words | None = None
    """ISO 639-1; without it the service finds out by itself."""
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece(_Strict):
    """Server to bot: the next piece of the turn's answer."""

    turn: Turn
    text: str
    type: Literal["piece"] = "piece"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(_Strict):
    """Server to bot: no further pieces of that turn, unless the run only waits (`AWAITING_…`) and goes on later."""

    turn: Turn
    status: Words
    """The run's, as the word of the protos without its prefix."""
    type: Literal["ended"] = "ended"

    @property
    def waits(self) -> bool:
        """Whether more may come of this turn."""
        return self.status.startswith("AWAITING_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(_Strict):
    """Server to bot: to be spoken, but no part of the answer."""

    turn: Turn
    text: Words
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave(_Strict):
    """Server to bot: leave the room and end."""

    type: Literal["leave"] = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(_Strict):
    """Bot to server: it is in the room."""

    type: Literal["joined"] = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard(_Strict):
    """Bot to server: the user's whole turn."""

    turn: Turn
    text: Words
    type: Literal["heard"] = "heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeIn(_Strict):
    """Bot to server: the user began to speak while the answer of that turn was still written or spoken."""

    turn: Turn
    type: Literal["barge_in"] = "barge_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken(_Strict):
    """Bot to server: how far the answer of that turn has been spoken."""

    turn: Turn
    text: str
    """From its beginning, not what was added."""
    done: bool
    """Nothing more will be spoken of it: all was, or it was interrupted. True exactly once a turn."""
    type: Literal["spoken"] = "spoken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Strict):
    """Bot to server, its last line: it cannot go on, and exits with 1."""

    reason: FailedReason
    message: str
    """For the operator; without secrets and content."""
    type: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(_Strict):
    """Bot to server, its last line: it left the room, and exits with 0."""

    reason: LeftReason
    type: Literal["left"] = "left"


_Message = TypeVar("_Message")

ToBot = Start | Piece | Ended | Notice | Leave
ToServer = Joined | Heard | BargeIn | Spoken | Failed | Left

_TO_BOT: Final[TypeAdapter[ToBot]] = TypeAdapter(Annotated[ToBot, Field(discriminator="type")])
_TO_SERVER: Final[TypeAdapter[ToServer]] = TypeAdapter(Annotated[ToServer, Field(discriminator="type")])


def encode(message: ToBot | ToServer) -> bytes:
    """The message's line, its end included. Raises `LinkError` for one longer than `MOST_BYTES`, and for text that is
    no UTF-8 (surrogates)."""
    try:
        line = orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        raise LinkError(f"a {message.type} cannot be written") from None
    if len(line) > MOST_BYTES:
        raise LinkError(f"a {message.type} is longer than a line may be")
    return line


def decode_to_bot(line: bytes) -> ToBot:
    """The message of a line from the server. Raises `LinkError`."""
    return _decoded(_TO_BOT, line)


def decode_to_server(line: bytes) -> ToServer:
    """The message of a line from the bot. Raises `LinkError`."""
    return _decoded(_TO_SERVER, line)


def _decoded(adapter: TypeAdapter[_Message], line: bytes) -> _Message:
    if len(line) > MOST_BYTES:
        raise LinkError("the line is too long")
    try:
        return adapter.validate_json(line, strict=True)
    except ValidationError as error:
        raise LinkError(_where(error)) from None


def _where(error: ValidationError) -> str:
    """Places and kinds of the faults: values stay out, they may be keys or what was said."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'line'}: {each['type']}" for each in faults[:4])
