"""What is said in the room reaches the server, what the server answers is spoken, and how far is reported."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import pytest

from server.adapters.voice.link import BargeIn, Ended, Heard, Notice, Piece, Spoken
from tests.support.upstream import Gate, stream
from tests.voice_bot.speech import SENTENCE, transcript

if TYPE_CHECKING:
    from tests.voice_bot.stage import Stage

OnStage = Callable[..., AbstractAsyncContextManager["Stage"]]
CHUNKS = len(SENTENCE) // 1920 * 1920
"""Bytes of a sentence that come out before its end is known: whole chunks of 40 ms."""


async def test_a_turn_is_heard_answered_and_spoken(stage: OnStage) -> None:
    async with stage() as on:
        assert await on.user_says("What is the capital of France?") == Heard(
            turn=1, text="What is the capital of France?"
        )
        on.server.answer(1, "It is ", "Paris. Shall", " I tell you more?")
        assert await on.server.done(1) == "It is Paris. Shall I tell you more?"
        assert on.services.asked_to_say() == ["It is Paris.", "Shall I tell you more?"]
        assert bytes(on.room.played).rstrip(b"\0") == (SENTENCE * 2).rstrip(b"\0")


async def test_turns_follow_each_other(stage: OnStage) -> None:
    async with stage() as on:
        for turn, text in enumerate(("One?", "Two?", "Three?"), start=1):
            assert await on.user_says(text) == Heard(turn=turn, text=text)
            on.server.answer(turn, f"Answer {turn}.")
            assert await on.server.done(turn) == f"Answer {turn}."


async def test_a_sentence_is_spoken_before_the_answer_is_written(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Go on.")
        on.server.send(Piece(turn=1, text="The first. The sec"))
        assert await on.server.until(Spoken) == Spoken(turn=1, text="The first.", done=False)
        on.server.answer(1, "ond.")
        assert await on.server.done(1) == "The first. The second."


async def test_an_answer_without_words_is_done_at_once(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Do nothing.")
        on.server.send(Ended(turn=1, status="FAILED"))
        assert await on.server.next() == Spoken(turn=1, text="", done=True)


async def test_who_speaks_while_the_answer_is_written_interrupts_it(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Tell me a story.")
        on.server.send(Piece(turn=1, text="Once upon a time there was a king. He"))
        assert (await on.server.until(Spoken)).text == "Once upon a time there was a king."
        on.services.hears.append(transcript("Another one."))
        await on.room.speak(LOUD_AND_QUIET)
        assert await on.server.until(BargeIn) == BargeIn(turn=1)
        assert await on.server.done(1) == "Once upon a time there was a king."
        assert await on.server.next() == Heard(turn=2, text="Another one.")
        # What was under way to the bot meanwhile is late.
        on.server.send(Piece(turn=1, text=" had a daughter."), Ended(turn=1, status="INTERRUPTED"))
        on.server.answer(2, "There was a frog.")
        assert await on.server.done(2) == "There was a frog."
        assert "had a daughter" not in " ".join(on.services.asked_to_say())


async def test_who_speaks_while_the_answer_is_spoken_hears_no_more_of_it(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Count.")
        on.room.play_only(CHUNKS)
        on.server.answer(1, "This is one. This is two. This is three. This is four. This is five. This is six.")
        assert await on.server.until(Spoken) == Spoken(turn=1, text="This is one.", done=False)
        await on.services.upstream.until(lambda: len(on.services.asked_to_say()) >= 2)
        await on.room.speak(LOUD_AND_QUIET)
        assert await on.server.until(BargeIn) == BargeIn(turn=1)
        assert await on.server.done(1) == "This is one."
        await on.room.play_on()
        assert await on.server.until(Heard) == Heard(turn=2, text="Hello.")
        on.server.answer(2, "Yes?")
        assert await on.server.done(2) == "Yes?"
        # One chunk of what was interrupted may have been on its way out.
        assert len(on.room.played) <= CHUNKS + 1920 + CHUNKS + 1920


async def test_who_speaks_while_a_sentence_is_synthesized_hears_nothing_of_it(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Say something.")
        gate = Gate()
        on.services.says.append(stream(gate, SENTENCE))
        on.server.answer(1, "Something.")
        await on.services.upstream.until(lambda: bool(on.services.asked_to_say()))
        await on.room.speak(LOUD_AND_QUIET)
        assert await on.server.until(BargeIn) == BargeIn(turn=1)
        assert await on.server.done(1) == ""
        await on.services.upstream.gave_up()


async def test_no_more_than_a_few_sentences_are_made_before_they_are_heard(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Read it out.")
        on.room.play_only(0)
        text = " ".join(f"This is sentence {number}." for number in range(1, 21))
        on.server.answer(1, text)
        on.services.says.extend(stream(SENTENCE) for _ in range(2))
        third = Gate()
        on.services.says.append(stream(third, SENTENCE))
        await on.services.upstream.until(lambda: len(on.services.asked_to_say()) == 3)
        third.open()
        await on.room.play_on()
        assert await on.server.done(1) == text
        assert len(on.services.asked_to_say()) == 20


async def test_a_notice_is_spoken_and_counts_for_nothing(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Delete everything.")
        on.server.send(
            Piece(turn=1, text="I will do that"),
            Ended(turn=1, status="AWAITING_APPROVAL"),
            Notice(turn=1, text="I need your approval before I go on."),
        )
        assert await on.server.until(Spoken) == Spoken(turn=1, text="I will do that", done=False)
        await on.services.upstream.until(lambda: len(on.services.asked_to_say()) == 2)
        on.server.answer(1, ". It is done.")
        assert await on.server.done(1) == "I will do that. It is done."
        assert on.services.asked_to_say()[:2] == ["I will do that", "I need your approval before I go on."]
        on.server.send(Notice(turn=1, text="Anything else?"))
        await on.services.upstream.until(lambda: on.services.asked_to_say()[-1] == "Anything else?")


async def test_who_speaks_while_a_run_waits_interrupts_nothing(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Delete everything.")
        on.server.send(Piece(turn=1, text="I will."), Ended(turn=1, status="AWAITING_APPROVAL"))
        assert (await on.server.until(Spoken)).text == "I will."
        on.services.hears.append(transcript("What are you waiting for?"))
        await on.room.speak(LOUD_AND_QUIET)
        assert await on.server.done(1) == "I will."
        assert await on.server.next() == Heard(turn=2, text="What are you waiting for?")


@pytest.mark.parametrize("status", ["CANCELLED", "INTERRUPTED"])
async def test_an_answer_that_somebody_else_ends_is_heard_no_longer(stage: OnStage, status: str) -> None:
    async with stage() as on:
        await on.user_says("Count.")
        on.room.play_only(CHUNKS)
        on.server.send(Piece(turn=1, text="This is one. This is two. This is three."))
        assert (await on.server.until(Spoken)).text == "This is one."
        on.server.send(Ended(turn=1, status=status))
        assert await on.server.done(1) == "This is one."
        assert not [message for message in on.server.messages if isinstance(message, BargeIn)]


async def test_marks_are_not_read_out_and_count_as_spoken(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Format it.")
        text = "**Bold** is [this](https://example.com). \n\n***\n\n🎉🎉 Done!"
        on.server.answer(1, text)
        assert await on.server.done(1) == text
        said = " ".join(on.services.asked_to_say())
        assert "Bold is this." in said
        assert not set("*[") & set(said)


async def test_what_has_no_sentences_is_spoken_in_parts(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Go on and on.")
        text = "and so on " * 300 + "x" * 1500
        on.server.answer(1, text)
        assert await on.server.done(1) == text
        assert max(map(len, on.services.asked_to_say())) <= 600


async def test_the_services_are_asked_as_they_are_configured(stage: OnStage) -> None:
    async with stage(language="de") as on:
        await on.user_says("Guten Tag!")
        on.server.answer(1, "Auch so.")
        await on.server.done(1)
        hears, says = on.services.upstream.requests
        assert hears.headers["authorization"] == "Bearer hearing-key"
        assert says.headers["authorization"] == "Bearer speaking-key"
        assert says.body == {"input": "Auch so.", "model": "speaker", "voice": "marvin", "response_format": "pcm"}
        for part in (b'name="model"\r\n\r\nlistener', b'name="language"\r\n\r\nde', b"RIFF"):
            assert part in hears.body


async def test_without_a_language_the_service_finds_out(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Bonjour!")
        assert b'name="language"' not in on.services.asked_to_hear()[0]


async def test_a_noise_is_no_turn(stage: OnStage) -> None:
    async with stage() as on:
        on.services.hears.append(transcript(" "))
        await on.room.speak(LOUD_AND_QUIET)
        await on.services.upstream.requested(1)
        assert await on.user_says("Now I speak.") == Heard(turn=1, text="Now I speak.")


async def test_what_a_service_says_that_is_no_text_does_no_harm(stage: OnStage) -> None:
    async with stage() as on:
        assert (await on.user_says("half \ud83d a character")).text == "half ? a character"


async def test_a_flood_of_pieces_keeps_nobody_waiting(stage: OnStage) -> None:
    async with stage() as on:
        await on.user_says("Never stop.")
        on.room.play_only(CHUNKS)
        on.server.send(*(Piece(turn=1, text="It goes on. ") for _ in range(20_000)))
        await on.room.speak(LOUD_AND_QUIET)
        assert await on.server.until(BargeIn) == BargeIn(turn=1)
        await on.server.done(1)
        assert await on.server.until(Heard) == Heard(turn=2, text="Hello.")
        assert len(on.services.asked_to_say()) <= 5


LOUD_AND_QUIET = b"\x00\x40" * 8000 + b"\0\0" * 8000
"""Half a second of speech and as long a silence, at 16 kHz."""
