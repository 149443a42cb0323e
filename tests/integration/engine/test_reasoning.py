"""What a model thinks is streamed, kept and shown like what it says, however its run ends."""

from pathlib import Path

import pytest

from server.application.threads import SettingsChange
from server.domain.conversation import InterruptPolicy
from server.domain.events import AttemptReset, Event, MessageCompleted, ReasoningDelta, TextDelta
from server.domain.message import Message, MessageStatus
from server.domain.run import Run
from server.ports.provider import ProviderError, ReasoningPiece
from tests.support.house import ANNA, House, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate


async def answer_of(house: House, run: Run) -> Message:
    """The one message that a run wrote."""
    await house.ended(run)
    messages = (await house.threads.state(ANNA.owner, "talk")).messages
    (found,) = [message for message in messages if message.run_id == run.id and message.id != run.user_message_id]
    return found


async def thought(house: House, run: Run) -> None:
    """Wait until a thought of the run is in the log."""
    async for event in house.streams.run(ANNA.owner, run.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, ReasoningDelta):
            return


async def test_thoughts_are_streamed_apart_from_words_and_kept(house: House) -> None:
    house.provider.script(ReasoningPiece("hm, "), ReasoningPiece("well"), "Hello", ReasoningPiece(" or"), " there")
    run = await house.send("hi")
    payloads = [event.payload for event in await house.events(run)]
    assert "".join(each.text for each in payloads if isinstance(each, ReasoningDelta)) == "hm, well or"
    assert "".join(each.text for each in payloads if isinstance(each, TextDelta)) == "Hello there"
    (completed,) = [each.message for each in payloads if isinstance(each, MessageCompleted)]
    found = await answer_of(house, run)
    assert (found.content, found.reasoning, completed) == ("Hello there", "hm, well or", found)


@pytest.mark.parametrize("ending", ["interrupt", "cancel"])
async def test_what_was_thought_before_the_first_word_survives_the_end_of_its_run(house: House, ending: str) -> None:
    gate = Gate()
    house.provider.script(ReasoningPiece("let me see"), gate, "too late")
    house.provider.script("new")
    run = await house.send("hi")
    await thought(house, run)
    if ending == "cancel":
        await house.runs.cancel(ANNA, run.id)
    else:
        await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
        await house.ended(await house.send("no, this"))
    found = await answer_of(house, run)
    assert (found.content, found.reasoning, found.status) == ("", "let me see", MessageStatus.INTERRUPTED)


async def test_a_failure_keeps_what_was_thought(house: House) -> None:
    house.provider.script(ReasoningPiece("let me see"), ProviderError("PROVIDER_STREAM_CUT", "cut"))
    found = await answer_of(house, await house.send("hi"))
    assert (found.content, found.reasoning, found.status) == ("", "let me see", MessageStatus.FAILED)


async def test_after_a_crash_only_the_thoughts_of_the_last_attempt_count(tmp_path: Path) -> None:
    falling = ScriptedProvider()
    falling.script(ReasoningPiece("lost thoughts"), "lost words", Gate())
    async with open_house(tmp_path, falling) as house:
        await house.threads.create(ANNA, name="", key="talk")
        run = await house.send("hi")
        await thought(house, run)
    provider = ScriptedProvider()
    provider.script(ReasoningPiece("new thoughts"), "new words")
    async with open_house(tmp_path, provider) as house:
        found = await answer_of(house, run)
        assert (found.content, found.reasoning) == ("new words", "new thoughts")
        payloads = [event.payload for event in await house.events(run)]
        voided = payloads.index(AttemptReset(2))
        assert [each.text for each in payloads[voided:] if isinstance(each, ReasoningDelta)] == ["new thoughts"]


async def test_thoughts_are_not_sent_back_to_the_model(house: House) -> None:
    house.provider.script(ReasoningPiece("secret"), "Hello")
    house.provider.script("again")
    await house.ended(await house.send("hi"))
    await house.ended(await house.send("and?"))
    assert "secret" not in str(house.provider.requests[1].messages)
