"""What fails for a moment is tried again; what goes on failing ends the session, and nothing counts as spoken that was
not."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

from server.adapters.voice.link import Failed, Heard
from tests.support.upstream import FIN, RESET, Script, raw, refusal, stream
from tests.voice_bot.speech import SENTENCE

if TYPE_CHECKING:
    from tests.voice_bot.stage import Stage

OnStage = Callable[..., AbstractAsyncContextManager["Stage"]]
_LOUD_AND_QUIET = b"\x00\x40" * 8000 + b"\0\0" * 8000
_BROKEN = [refusal(500), refusal(429), raw(RESET), raw(FIN)]
_NAMES = ["500", "429", "reset", "closed"]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch, pipecat: None) -> None:
    monkeypatch.setattr("server.adapters.voice.bot.speech_failure._PAUSE", 0.001)


@pytest.mark.parametrize("broken", _BROKEN, ids=_NAMES)
async def test_a_transcription_that_fails_twice_is_heard_all_the_same(stage: OnStage, broken: Script) -> None:
    async with stage() as on:
        on.services.hears.extend([broken, broken])
        assert await on.user_says("Can you hear me?") == Heard(turn=1, text="Can you hear me?")


@pytest.mark.parametrize(
    ("broken", "fact"),
    [(refusal(500, message="secret"), "HTTP 500"), (raw(RESET), "no answer"), (refusal(401), "HTTP 401")],
    ids=["500", "reset", "401"],
)
async def test_a_transcription_that_goes_on_failing_ends_the_session(stage: OnStage, broken: Script, fact: str) -> None:
    async with stage() as on:
        on.services.hears.extend([broken] * 3)
        await on.room.speak(_LOUD_AND_QUIET)
        assert await on.outcome() == Failed(reason="SPEECH_FAILED", message=f"speech to text: {fact}")
        assert len(on.services.asked_to_hear()) == (1 if fact == "HTTP 401" else 3)


async def test_speech_that_is_refused_is_a_noise_until_it_happens_again_and_again(stage: OnStage) -> None:
    async with stage() as on:
        for turn in (1, 2):
            on.services.hears.extend([refusal(400), refusal(400)])
            await on.room.speak(_LOUD_AND_QUIET * 2)
            await on.user_says("That was a cough.")
            on.server.answer(turn, "I see.")
            await on.server.done(turn)
        on.services.hears.extend([refusal(400)] * 3)
        await on.room.speak(_LOUD_AND_QUIET * 3)
        assert await on.outcome() == Failed(reason="SPEECH_FAILED", message="speech to text: HTTP 400")


@pytest.mark.parametrize("broken", [*_BROKEN, stream()], ids=[*_NAMES, "empty"])
async def test_a_synthesis_that_fails_twice_is_spoken_all_the_same(stage: OnStage, broken: Script) -> None:
    async with stage() as on:
        await on.user_says("Speak.")
        on.services.says.extend([broken, broken])
        on.server.answer(1, "Here I am.")
        assert await on.server.done(1) == "Here I am."
        assert bytes(on.room.played).rstrip(b"\0") == SENTENCE.rstrip(b"\0")


async def test_a_synthesis_that_breaks_off_is_continued_where_it_broke(stage: OnStage) -> None:
    long = bytes(range(1, 251)) * 400
    async with stage() as on:
        await on.user_says("Speak.")
        on.services.says.extend([stream(long).cut(30_001), stream(long).cut(71_002, then=RESET), stream(long)])
        on.server.answer(1, "Here I am.")
        assert await on.server.done(1) == "Here I am."
        assert bytes(on.room.played).rstrip(b"\0") == long
        assert len(on.services.asked_to_say()) == 3


@pytest.mark.parametrize(
    ("broken", "fact"),
    [
        (refusal(503), "HTTP 503"),
        (refusal(400, message="no such voice"), "HTTP 400"),
        (stream(), "the reply has no audio"),
        (stream(SENTENCE[:2000]).cut(1500), "no answer"),
    ],
    ids=["503", "400", "empty", "broken off"],
)
async def test_a_synthesis_that_goes_on_failing_ends_the_session(stage: OnStage, broken: Script, fact: str) -> None:
    async with stage() as on:
        await on.user_says("Speak.")
        on.services.says.extend([stream(SENTENCE), broken, broken, broken])
        on.server.answer(1, "This is said. This is not. And this never.")
        assert await on.outcome() == Failed(reason="SPEECH_FAILED", message=f"text to speech: {fact}")
        assert await on.server.done(1) in {"", "This is said."}
