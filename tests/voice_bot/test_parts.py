"""The bot's own parts of the pipeline, each alone, with pipecat's test tools; and that none of it needs the network."""

import socket
from typing import Any

import pytest

from server.adapters.voice.bot.turns import Told, Turns
from server.adapters.voice.link import BargeIn, Ended, Heard, Notice, Piece, Spoken
from tests.voice_bot.speech import start_at

pytestmark = pytest.mark.usefixtures("pipecat")


async def test_an_ear_puts_together_what_is_said_in_a_turn() -> None:
    from pipecat.frames.frames import TranscriptionFrame, UserStoppedSpeakingFrame
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
    from pipecat.tests.utils import run_test

    from server.adapters.voice.bot.ear import Ear

    class TurnEnd(FrameProcessor):
        """Decides behind the ear, as the real one does: every turn ends with a text "stop"."""

        async def process_frame(self, frame: Any, direction: Any) -> None:
            await super().process_frame(frame, direction)
            await self.push_frame(frame, direction)
            if isinstance(frame, TranscriptionFrame) and frame.text == "stop":
                await self.broadcast_frame(UserStoppedSpeakingFrame)

    told: list[Told] = []
    texts = ["Good", " morning ", "", "stop", "stop"]
    down, up = await run_test(
        Pipeline([Ear(Turns(told.append)), TurnEnd()]),
        frames_to_send=[TranscriptionFrame(text, "user", "now") for text in texts],
        frames_to_send_direction=FrameDirection.DOWNSTREAM,
        start_timeout=30,
    )
    heard = " ".join(each.text for each in told if isinstance(each, Heard))
    assert heard == "Good morning stop stop"
    assert len([frame for frame in down if isinstance(frame, TranscriptionFrame)]) == len(texts)
    assert len([frame for frame in up if isinstance(frame, UserStoppedSpeakingFrame)]) == 2


async def test_a_mouth_gives_sentences_and_nothing_after_an_interruption() -> None:
    from pipecat.frames.frames import (
        AggregatedTextFrame,
        InputAudioRawFrame,
        InterruptionFrame,
        LLMFullResponseEndFrame,
        LLMFullResponseStartFrame,
    )
    from pipecat.pipeline.pipeline import Pipeline
    from pipecat.processors.frame_processor import FrameProcessor
    from pipecat.tests.utils import run_test

    from server.adapters.voice.bot.mouth import AnswerOver, Mouth

    told: list[Told] = []
    turns = Turns(told.append)
    mouth = Mouth(turns, language="en")

    class Server(FrameProcessor):
        """Answers when the user's audio comes."""

        async def process_frame(self, frame: Any, direction: Any) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, InputAudioRawFrame):
                turns.hear("hello")
                await mouth.say(Piece(turn=1, text="One. Two. Three. Four. Five"))
                await mouth.end(Ended(turn=1, status="COMPLETED"))
            await self.push_frame(frame, direction)

    class Room(FrameProcessor):
        """Nothing is heard in it; when it falls silent the server has not heard of that yet."""

        async def process_frame(self, frame: Any, direction: Any) -> None:
            await super().process_frame(frame, direction)
            if isinstance(frame, InterruptionFrame):
                turns.silence()
                await mouth.say(Piece(turn=1, text="Late. Late."))
                await mouth.notify(Notice(turn=1, text="Late."))
                await mouth.end(Ended(turn=1, status="COMPLETED"))
            await self.push_frame(frame, direction)

    down, _ = await run_test(
        Pipeline([Server(), mouth, Room()]),
        frames_to_send=[InputAudioRawFrame(b"\0\0", 16_000, 1), InterruptionFrame()],
        start_timeout=30,
    )
    given = [frame.text for frame in down if isinstance(frame, AggregatedTextFrame)]
    # No more than three are under way, and none of what waited comes behind the interruption.
    assert given == ["One.", "Two.", "Three."]
    kinds = [type(frame) for frame in down]
    assert kinds.count(LLMFullResponseStartFrame) == 1
    assert kinds.count(LLMFullResponseEndFrame) == 0
    assert AnswerOver not in kinds
    assert InputAudioRawFrame not in kinds
    assert told == [Heard(turn=1, text="hello"), BargeIn(turn=1), Spoken(turn=1, text="", done=True)]


async def test_sentences_lose_nothing_and_none_is_too_long() -> None:
    from server.adapters.voice.bot.sentences import Sentences

    for text in (
        "Dr. Who paid $29.9 at 3 p.m. today. Really? Yes!",
        "word " * 999,
        "x" * 5000,
        "...",
        "\n\n",
        "日本語。はい。",
    ):
        whole, pieces = Sentences(language="en"), Sentences(language="en")
        at_once = [*await whole.add(text), *await whole.end()]
        one_by_one = [each for character in text for each in await pieces.add(character)] + await pieces.end()
        for sentences in (at_once, one_by_one):
            assert "".join("".join(sentences).split()) == "".join(text.split())
            assert max(map(len, sentences), default=0) <= 600
        assert at_once == one_by_one or len(text) > 600


def test_what_finds_speech_in_audio_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from server.adapters.voice.bot.pipeline import speech_of

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    speech = speech_of(start_at("http://127.0.0.1:9/v1"))
    speech.voice_activity.set_sample_rate(16_000)
    assert speech.voice_activity.voice_confidence(bytes(1024)) < 0.5


class Events:
    """Notes what a room tells."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def joined(self) -> None:
        self.told.append("joined")

    def not_joined(self, fact: str) -> None:
        self.told.append(("not joined", fact))

    def removed(self) -> None:
        self.told.append("removed")

    def arrived(self, participant: str) -> None:
        self.told.append(("arrived", participant))

    def gone(self, participant: str) -> None:
        self.told.append(("gone", participant))


class Daily:
    """Where handlers of Daily's transport are registered, to be called by the test as that transport calls them."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_event_handler(self, name: str, handler: Any) -> None:
        self.handlers[name] = handler

    async def happens(self, name: str, *facts: object) -> None:
        await self.handlers[name](self, *facts)


async def test_what_happens_in_a_room_of_daily_is_told() -> None:
    from server.adapters.voice.bot.daily_room import _Membership

    daily, events = Daily(), Events()
    _Membership(daily, events)
    await daily.happens("on_call_state_updated", "joining")
    await daily.happens("on_joined", {"participants": {"local": {"id": "bot"}, "early": {"id": "early"}}})
    await daily.happens("on_call_state_updated", "joined")
    await daily.happens("on_participant_joined", {"id": "user"})
    await daily.happens("on_error", "of something else")
    await daily.happens("on_participant_left", {"id": "user"}, "leftCall")
    await daily.happens("on_call_state_updated", "left")
    assert events.told == ["joined", ("arrived", "early"), ("arrived", "user"), ("gone", "user"), "removed"]


async def test_a_room_of_daily_that_lets_nobody_in_is_told_without_its_address() -> None:
    from server.adapters.voice.bot.daily_room import _Membership

    daily, events = Daily(), Events()
    _Membership(daily, events)
    await daily.happens("on_error", "Error joining https://rooms.invalid/one")
    await daily.happens("on_call_state_updated", "left")
    assert events.told == [("not joined", "Daily did not let the bot into the room")]


async def test_the_events_of_a_room_are_those_that_daily_knows() -> None:
    from pipecat.transports.daily.transport import DailyTransport

    from server.adapters.voice.bot.daily_room import open_daily_room

    room = open_daily_room(start_at("http://127.0.0.1:9/v1"), Events())
    assert isinstance(room, DailyTransport)
    assert room.room_url == "https://rooms.invalid/one"
    heard_of = {name for name, event in room._event_handlers.items() if event.handlers}
    assert heard_of == {
        "on_joined",
        "on_error",
        "on_call_state_updated",
        "on_participant_joined",
        "on_participant_left",
    }
