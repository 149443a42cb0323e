"""The lines between the server and the bot: they are read as they were written, and nothing else is read at all."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.voice.link import (
    MOST_BYTES,
    BargeIn,
    Ended,
    Failed,
    Heard,
    Joined,
    Leave,
    Left,
    LinkError,
    Notice,
    Piece,
    SpeechToText,
    Spoken,
    Start,
    TextToSpeech,
    ToBot,
    ToServer,
    decode_to_bot,
    decode_to_server,
    encode,
)

SECRETS = ("meeting-token", "hearing-key", "speaking-key")
START = Start(
    room_url="https://rooms.example/a",
    token=SECRETS[0],
    bot_name="Parley",
    expires_at=1_800_000_000,
    language="de",
    speech_to_text=SpeechToText(base_url="https://hears.example/v1", api_key=SECRETS[1], model="whisper-1"),
    text_to_speech=TextToSpeech(base_url="https://says.example/v1", api_key=SECRETS[2], model="tts-1", voice="alloy"),
)
TO_BOT: list[ToBot] = [
    START,
    Piece(turn=1, text="Grüße,\n„Welt“"),
    Ended(turn=1, status="COMPLETED"),
    Notice(turn=2, text="I need your approval before I go on."),
    Leave(),
]
TO_SERVER: list[ToServer] = [
    Joined(),
    Heard(turn=1, text="hello"),
    BargeIn(turn=1),
    Spoken(turn=1, text="Grüße,", done=False),
    Failed(reason="JOIN_FAILED", message="the room did not let it in"),
    Left(reason="EMPTY"),
]


@pytest.mark.parametrize("message", TO_BOT, ids=lambda message: message.type)
def test_the_bot_reads_what_the_server_wrote(message: ToBot) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode_to_bot(line) == message
    with pytest.raises(LinkError):
        decode_to_server(line)


@pytest.mark.parametrize("message", TO_SERVER, ids=lambda message: message.type)
def test_the_server_reads_what_the_bot_wrote(message: ToServer) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode_to_server(line) == message
    with pytest.raises(LinkError):
        decode_to_bot(line)


def test_a_start_may_leave_the_language_out() -> None:
    fields = orjson.loads(encode(START))
    del fields["language"]
    read = decode_to_bot(orjson.dumps(fields))
    assert isinstance(read, Start)
    assert read.language is None


@given(st.text(st.characters(codec="utf-8")))
def test_text_arrives_as_it_was(text: str) -> None:
    assert decode_to_bot(encode(Piece(turn=1, text=text))) == Piece(turn=1, text=text)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"type": "sing", "turn": 1}',
        b'{"type": "piece", "turn": 1}',
        b'{"type": "piece", "turn": "1", "text": "a"}',
        b'{"type": "piece", "turn": true, "text": "a"}',
        b'{"type": "piece", "turn": 1.0, "text": "a"}',
        b'{"type": "piece", "turn": 0, "text": "a"}',
        b'{"type": "piece", "turn": 1, "text": 7}',
        b'{"type": "piece", "turn": 1, "text": "a", "more": 1}',
        b'{"type": "piece", "turn": 1, "text": "\xff"}',
        b'{"type": "piece", "turn": 1, "text": "a"} {"type": "leave"}',
        b'{"type": "leave"',
        b"[" * 100_000,
    ],
)
def test_whatever_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(LinkError):
        decode_to_bot(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "spoken", "turn": 1, "text": "a", "done": 1}',
        b'{"type": "failed", "reason": "MOOD", "message": ""}',
        b'{"type": "left", "reason": "JOIN_FAILED"}',
        b'{"type": "heard", "turn": 1, "text": ""}',
    ],
)
def test_the_server_takes_no_words_that_are_not_agreed(line: bytes) -> None:
    with pytest.raises(LinkError):
        decode_to_server(line)


def test_no_line_is_longer_than_agreed() -> None:
    room = MOST_BYTES - len(encode(Piece(turn=1, text="")))
    longest = Piece(turn=1, text="a" * room)
    assert decode_to_bot(encode(longest)) == longest
    with pytest.raises(LinkError):
        encode(Piece(turn=1, text="a" * (room + 1)))
    with pytest.raises(LinkError):
        decode_to_bot(encode(longest) + b" ")


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(LinkError):
        encode(Piece(turn=1, text="\ud83d"))


def test_neither_a_fault_nor_a_message_that_is_printed_tells_secrets_or_content() -> None:
    fields = orjson.loads(encode(START)) | {"expires_at": "tomorrow"}
    with pytest.raises(LinkError) as refused:
        decode_to_bot(orjson.dumps(fields))
    assert str(refused.value) == "start.expires_at: int_type"
    assert [secret for secret in SECRETS if secret in repr(START)] == []


@pytest.mark.parametrize(("status", "waits"), [("COMPLETED", False), ("AWAITING_APPROVAL", True), ("FAILED", False)])
def test_only_a_run_that_waits_may_say_more(status: str, waits: bool) -> None:
    assert Ended(turn=1, status=status).waits == waits
