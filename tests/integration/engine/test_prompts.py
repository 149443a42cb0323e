"""Prompts: a chat made with its first message, an answer that outlives its caller, a stream that continues anywhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.answer_view import AGAIN, WAITING, AnswerPiece, Progress, WholeAnswer
from server.application.prompts import Prompt, Sent, ShownEvent
from server.application.threads import SettingsChange
from server.application.viewpoints import Viewpoint
from server.domain.conversation import InterruptPolicy
from server.domain.errors import (
    AnswerRestarted,
    ConversationNotFound,
    CursorInFuture,
    ParleyError,
    RunCancelled,
    RunFailed,
    RunInterrupted,
    RunNotFound,
    ShuttingDown,
)
from server.domain.ids import ConversationId, RunId
from server.domain.model import Model
from server.domain.principal import RequestKey
from server.domain.run import RunState
from server.ports.provider import ProviderError
from tests.support.house import ANNA, BERT, House, open_house
from tests.support.invariants import check_invariants
from tests.support.titling_provider import TitlingProvider
from tests.support.upstream.gate import Gate


@pytest.fixture
def provider() -> TitlingProvider:
    return TitlingProvider(default=("Hello", " there"))


@pytest.fixture
async def house(tmp_path: Path, provider: TitlingProvider) -> AsyncIterator[House]:
    async with open_house(tmp_path, provider) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def prompted(house: House, message: str = "Hi", chat: ConversationId | None = None) -> Sent:
    return await house.prompts.send(ANNA, Prompt(message, chat, generate_title=False))


async def seen(house: House, sent: Sent) -> list[ShownEvent]:
    return [event async for event in house.prompts.follow(ANNA.owner, sent)]


def at(sent: Sent, event: ShownEvent) -> Viewpoint:
    """How far somebody has seen an answer whom that was shown last."""
    assert event.sequence is not None
    return Viewpoint(sent.run.id, sent.attempt, event.sequence)


def joined(events: list[ShownEvent]) -> str:
    return "".join(event.shown.text for event in events if isinstance(event.shown, AnswerPiece))


async def chats(house: House) -> int:
    return (await house.chats.slice(ANNA.owner, offset=0, limit=9)).total


async def first_piece(house: House, sent: Sent) -> ShownEvent:
    """Look at an answer until it says something."""
    async with aclosing(house.prompts.follow(ANNA.owner, sent)) as events:
        async for event in events:
            if isinstance(event.shown, AnswerPiece):
                return event
    raise AssertionError("the answer said nothing")


async def test_a_refused_message_makes_no_chat(house: House) -> None:
    await house.engine.drain(timedelta(0))
    with pytest.raises(ShuttingDown):
        await prompted(house)
    assert await chats(house) == 0


async def test_an_answer_is_finished_though_nobody_waits(house: House, provider: TitlingProvider) -> None:
    gate = Gate()
    provider.script("Hello", gate, " there")
    sent = await prompted(house)
    caller = asyncio.ensure_future(house.prompts.answer(ANNA.owner, sent))
    await gate.reached()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.open()
    assert (await house.ended(sent.run)).state is RunState.COMPLETED
    assert (await house.said(sent.run.conversation_key))[-1] == ("assistant", "Hello there", "COMPLETE")


async def test_a_failed_answer_fails_with_its_own_reason(house: House, provider: TitlingProvider) -> None:
    wait = timedelta(seconds=7)
    provider.script("Hel", ProviderError("PROVIDER_RATE_LIMITED", "slow down", retry_after=wait))
    sent = await prompted(house)
    with pytest.raises(RunFailed) as caught:
        await house.prompts.answer(ANNA.owner, sent)
    assert (caught.value.run_reason, caught.value.message) == ("PROVIDER_RATE_LIMITED", "slow down")
    assert caught.value.retry_after == wait
    with pytest.raises(RunFailed):
        await seen(house, sent)


async def _cancel(house: House, sent: Sent) -> None:
    await house.runs.cancel(ANNA, sent.run.id)


async def _interrupt(house: House, sent: Sent) -> None:
    key = sent.run.conversation_key
    await house.threads.configure_settings(ANNA, key, SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    await house.send("Stop", to=key)


async def _delete(house: House, sent: Sent) -> None:
    await house.threads.delete(ANNA, sent.run.conversation_key)


@pytest.mark.parametrize(
    ("end", "error"),
    [(_cancel, RunCancelled), (_interrupt, RunInterrupted), (_delete, ConversationNotFound)],
    ids=["cancelled", "interrupted", "deleted"],
)
async def test_an_answer_that_is_ended_is_an_error_that_says_so(
    house: House, provider: TitlingProvider, end: object, error: type[ParleyError]
) -> None:
    provider.script("Hello", Gate())
    sent = await prompted(house)
    waits = [asyncio.ensure_future(house.prompts.answer(ANNA.owner, sent)), asyncio.ensure_future(seen(house, sent))]
    await first_piece(house, sent)
    await end(house, sent)  # type: ignore[operator]  # one of the three above
    for wait in waits:
        with pytest.raises(error):
            await wait


async def test_a_message_behind_another_says_that_it_waits(house: House, provider: TitlingProvider) -> None:
    gate = Gate()
    provider.script(gate, "One")
    provider.script("Two")
    first = await prompted(house)
    second = await prompted(house, "And?", first.run.conversation_id)
    events = house.prompts.follow(ANNA.owner, second)
    assert (await anext(events)).shown == WAITING
    gate.open()
    assert [event.shown async for event in events][-1] == WholeAnswer("Two")


async def test_a_stream_continues_behind_every_event_without_another_message(
    house: House, provider: TitlingProvider
) -> None:
    gates = [Gate() for _ in range(4)]
    provider.script("a", gates[0], "b", gates[1], "c", gates[2], "d", gates[3], "e")
    for gate in gates:
        gate.open()
    sent = await prompted(house)
    whole = await seen(house, sent)
    assert (joined(whole), whole[-1].shown) == ("abcde", WholeAnswer("abcde"))
    for number, event in enumerate(whole, 1):
        again = await house.prompts.resume(ANNA.owner, at(sent, event))
        assert await seen(house, again) == whole[number:]
    again = await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id))
    assert await seen(house, again) == whole
    assert len(provider.requests) == 1


async def test_a_cut_stream_continues_while_the_answer_grows(house: House, provider: TitlingProvider) -> None:
    gate = Gate()
    provider.script("Hel", gate, "lo")
    sent = await prompted(house)
    cut = await first_piece(house, sent)
    again = await house.prompts.resume(ANNA.owner, at(sent, cut))
    gate.open()
    rest = await seen(house, again)
    assert (joined(rest), rest[-1].shown) == ("lo", WholeAnswer("Hello"))


@pytest.mark.parametrize(
    ("again", "rest"),
    [(("Hello", " there"), "lo there"), (("Hel",), "")],
    ids=["more", "the same"],
)
async def test_an_answer_begun_again_after_a_crash_goes_on_where_it_says_the_same(
    tmp_path: Path, again: tuple[str, ...], rest: str
) -> None:
    sent, cut = await _crashed(tmp_path)
    provider = TitlingProvider()
    provider.script(*again)
    async with open_house(tmp_path, provider) as house:
        resumed = await house.prompts.resume(ANNA.owner, at(sent, cut))
        events = await seen(house, resumed)
        assert AGAIN in [event.shown for event in events]
        assert joined(events) == rest
        assert events[-1].shown == WholeAnswer("".join(again))
        assert (await house.said(sent.run.conversation_key))[-1] == ("assistant", "".join(again), "COMPLETE")


async def test_an_answer_begun_again_that_says_something_else_is_shown_from_its_beginning(tmp_path: Path) -> None:
    sent, cut = await _crashed(tmp_path)
    provider = TitlingProvider()
    provider.script("Good", " day")
    async with open_house(tmp_path, provider) as house:
        resumed = await house.prompts.resume(ANNA.owner, at(sent, cut))
        with pytest.raises(AnswerRestarted) as caught:
            await seen(house, resumed)
        assert caught.value.metadata == {"run_id": sent.run.id}
        fresh = await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id))
        events = await seen(house, fresh)
        assert (joined(events), events[-1].shown) == ("Good day", WholeAnswer("Good day"))
        # … and that one continues, too, as if there had never been another attempt.
        for number, event in enumerate(events, 1):
            later = await house.prompts.resume(ANNA.owner, at(fresh, event))
            assert await seen(house, later) == events[number:]
        assert await house.prompts.answer(ANNA.owner, sent) == "Good day"


async def _crashed(folder: Path) -> tuple[Sent, ShownEvent]:
    """A prompt whose answer said "Hel", and what was shown then, when its server was taken down."""
    provider = TitlingProvider()
    provider.script("Hel", Gate())
    async with open_house(folder, provider) as house:
        sent = await prompted(house)
        return sent, await first_piece(house, sent)


async def test_only_what_is_there_can_be_continued(house: House) -> None:
    sent = await prompted(house)
    await house.ended(sent.run)
    with pytest.raises(CursorInFuture):
        await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id, 1, 999))
    with pytest.raises(RunNotFound):
        await house.prompts.resume(BERT.owner, Viewpoint(sent.run.id))
    with pytest.raises(RunNotFound):
        await house.prompts.resume(ANNA.owner, Viewpoint(RunId("run_none")))
    await house.chats.archive(ANNA, sent.run.conversation_id)
    with pytest.raises(ConversationNotFound):
        await house.prompts.resume(ANNA.owner, Viewpoint(sent.run.id))


async def test_an_answer_under_way_is_finished_in_an_archived_chat(house: House, provider: TitlingProvider) -> None:
    gate = Gate()
    provider.script("Hel", gate, "lo")
    sent = await prompted(house)
    await first_piece(house, sent)
    await house.chats.archive(ANNA, sent.run.conversation_id)
    gate.open()
    assert await house.prompts.answer(ANNA.owner, sent) == "Hello"


@pytest.mark.parametrize(
    ("provider_name", "model"),
    [(None, "second"), ("scripted", "second"), (None, Model("scripted", "second").id.upper())],
)
async def test_a_model_answers_the_message_it_is_named_for_and_no_other(
    house: House, provider: TitlingProvider, provider_name: str | None, model: str
) -> None:
    prompt = Prompt("Hi", generate_title=False, provider=provider_name, model=model)
    sent = await house.prompts.send(ANNA, prompt)
    await house.prompts.answer(ANNA.owner, sent)
    await house.prompts.answer(ANNA.owner, await prompted(house, "And?", sent.run.conversation_id))
    assert [request.generation.model for request in provider.requests] == ["second", "first"]


async def test_a_repeated_prompt_finds_its_chat_though_that_was_archived_meanwhile(house: House) -> None:
    again = replace(ANNA, request_key=RequestKey("key", "fingerprint"))
    prompt = Prompt("Hi", generate_title=False)
    first = await house.prompts.send(again, prompt)
    await house.ended(first.run)
    chat = first.run.conversation_id
    assert (await house.prompts.send(again, prompt)).run.id == first.run.id
    await house.chats.archive(ANNA, chat)
    second = await house.prompts.send(again, replace(prompt, conversation_id=chat))
    assert second.run.id == first.run.id
    assert await house.prompts.answer(ANNA.owner, second) == "Hello there"
    with pytest.raises(ConversationNotFound):
        await prompted(house, "And?", chat)


async def test_a_stream_tells_of_a_server_that_stops_and_can_be_continued(
    house: House, provider: TitlingProvider
) -> None:
    gate = Gate()
    provider.script("Hel", gate, "lo")
    sent = await prompted(house)
    await first_piece(house, sent)
    house.streams.drain()
    events = house.prompts.follow(ANNA.owner, sent)
    told = []
    async for event in events:
        told.append(event)
        if isinstance(event.shown, Progress) and "stop" in event.shown.sentence:
            assert event.sequence is None
            gate.open()
    assert told[-1].shown == WholeAnswer("Hello")
    assert gate.is_open
