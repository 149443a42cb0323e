"""Titles: made beside the answer by the model, and neither failing nor holding up anything."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server.adapters.system import SystemClock
from server.application.answer_view import Titled, WholeAnswer
from server.application.guard import OPEN
from server.application.prompts import Prompt, Sent
from server.application.titles import INSTRUCTIONS, Titles
from server.domain.events import ConversationNamed, Event, RunEnded
from server.domain.ids import ConversationId
from server.domain.title import DEFAULT_TITLE
from server.ports.provider import ProviderError, ReasoningPiece
from tests.support.house import ANNA, QUICK, House, ScriptedModels, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import usage
from tests.support.titling_provider import TitlingProvider
from tests.support.upstream.gate import Gate

SOON = 10.0
IMPATIENT = replace(QUICK, title_patience=timedelta(milliseconds=1))
PATIENT = replace(QUICK, title_patience=timedelta(seconds=SOON))


@pytest.fixture
def provider() -> TitlingProvider:
    return TitlingProvider(default=("Hello", " there", usage(3, 2)))


@pytest.fixture
async def house(tmp_path: Path, provider: TitlingProvider) -> AsyncIterator[House]:
    async with open_house(tmp_path, provider, limits=PATIENT) as opened:
        yield opened
    check_invariants(tmp_path / "house.db")


async def asked(house: House, message: str = "How do I feed a parrot?", chat: ConversationId | None = None) -> Sent:
    """A prompt that was answered."""
    sent = await house.prompts.send(ANNA, Prompt(message, chat))
    assert await house.prompts.answer(ANNA.owner, sent) == "Hello there"
    return sent


async def title_of(house: House, sent: Sent) -> str:
    found = await house.chats.messages(ANNA.owner, sent.run.conversation_id, offset=0, limit=1)
    return found.chat.name


async def shown(house: House, sent: Sent) -> list[object]:
    return [event.shown async for event in house.prompts.follow(ANNA.owner, sent)]


async def test_the_model_titles_a_new_chat_by_a_short_request_of_its_own(
    house: House, provider: TitlingProvider
) -> None:
    provider.script_title('"Feeding', ' a Parrot."', usage(40, 5))
    with capture_logs() as logs:
        sent = await asked(house)
    assert await title_of(house, sent) == "Feeding a Parrot"
    (request,) = provider.title_requests
    assert [message.content for message in request.messages] == [INSTRUCTIONS, "How do I feed a parrot?"]
    assert request.generation.model == "first"
    assert 0 < (request.generation.max_tokens or 0) <= 64
    (cost,) = [line for line in logs if line["event"] == "title_requested"]
    assert (cost["prompt_tokens"], cost["completion_tokens"], cost["model"]) == (40, 5, "first")
    assert not any("parrot" in str(line).lower() for line in logs)


async def test_a_title_is_no_part_of_the_history(house: House, provider: TitlingProvider) -> None:
    provider.script_title("Parrots")
    sent = await asked(house)
    await asked(house, "And a cat?", sent.run.conversation_id)
    said = [message.content for message in provider.requests[-1].messages]
    assert said == ["How do I feed a parrot?", "Hello there", "And a cat?"]
    assert await house.said(sent.run.conversation_key) == [
        ("user", "How do I feed a parrot?", "COMPLETE"),
        ("assistant", "Hello there", "COMPLETE"),
        ("user", "And a cat?", "COMPLETE"),
        ("assistant", "Hello there", "COMPLETE"),
    ]


async def test_a_chat_is_titled_once(house: House, provider: TitlingProvider) -> None:
    provider.script_title("Parrots")
    sent = await asked(house)
    await asked(house, "And a cat?", sent.run.conversation_id)
    assert len(provider.title_requests) == 1


async def test_a_title_comes_before_the_end_of_the_answer(house: House, provider: TitlingProvider) -> None:
    provider.script_title("Parrots")
    events = await shown(house, await house.prompts.send(ANNA, Prompt("Hi")))
    assert events.count(Titled("Parrots")) == 1
    assert events[-1] == WholeAnswer("Hello there")


async def test_a_title_comes_as_soon_as_it_is_there(house: House, provider: TitlingProvider) -> None:
    half, rest = Gate(), Gate()
    provider.script("Hel", half, rest, "lo")
    title = Gate()
    provider.script_title(title, "Parrots")
    sent = await house.prompts.send(ANNA, Prompt("Hi"))
    await half.reached()
    title.open()
    assert sent.titling is not None
    assert await sent.titling.title(SOON) == "Parrots"
    seen = []
    async for event in house.prompts.follow(ANNA.owner, sent):
        seen.append(event.shown)
        if isinstance(event.shown, Titled):
            assert event.sequence is not None
            half.open()
            rest.open()
    assert seen[-1] == WholeAnswer("Hello")


async def test_a_title_that_comes_late_is_waited_for_a_moment(house: House, provider: TitlingProvider) -> None:
    title = Gate()
    provider.script_title(title, "Parrots")
    sent = await house.prompts.send(ANNA, Prompt("Hi"))
    await house.ended(sent.run)
    events = asyncio.ensure_future(shown(house, sent))
    await title.reached()
    title.open()
    assert (await events)[-2:] == [Titled("Parrots"), WholeAnswer("Hello there")]


async def test_a_slow_title_does_not_hold_up_the_answer_and_comes_all_the_same(
    tmp_path: Path, provider: TitlingProvider
) -> None:
    title = Gate()
    provider.script_title(title, "Parrots")
    async with open_house(tmp_path, provider, limits=IMPATIENT) as house:
        sent = await asked(house)
        assert await title_of(house, sent) == DEFAULT_TITLE
        assert (await shown(house, sent))[-1] == WholeAnswer("Hello there")
        title.open()
        assert sent.titling is not None
        assert await sent.titling.title(SOON) == "Parrots"
        assert await title_of(house, sent) == "Parrots"
        log = await house.store.read(ANNA.owner, lambda tx: tx.events.after(sent.run.conversation_id, 0, limit=99))
        assert isinstance(log[-2].payload, RunEnded)
        assert (log[-1].payload, log[-1].run_id) == (ConversationNamed("Parrots"), None)
    check_invariants(tmp_path / "house.db")


async def test_a_title_that_takes_too_long_is_given_up(tmp_path: Path, provider: TitlingProvider) -> None:
    limits = replace(PATIENT, title_duration=timedelta(milliseconds=1))
    provider.script_title(Gate(), "Parrots")
    async with open_house(tmp_path, provider, limits=limits) as house:
        sent = await asked(house)
        assert await title_of(house, sent) == DEFAULT_TITLE


@pytest.mark.parametrize(
    "failure",
    [ProviderError("PROVIDER_UNAVAILABLE", "gone"), RuntimeError("a defect")],
    ids=["the provider's", "a defect"],
)
async def test_a_title_that_fails_fails_nothing_and_is_tried_again(
    house: House, provider: TitlingProvider, failure: Exception
) -> None:
    provider.script_title(failure)
    provider.script_title("Parrots")
    sent = await asked(house)
    assert await title_of(house, sent) == DEFAULT_TITLE
    await asked(house, "And a cat?", sent.run.conversation_id)
    assert await title_of(house, sent) == "Parrots"
    assert provider.title_requests[1].messages[-1].content == "How do I feed a parrot?"


async def test_a_title_that_was_lost_in_a_crash_is_made_with_the_next_message(
    tmp_path: Path, provider: TitlingProvider
) -> None:
    title = Gate()
    provider.script_title(title)
    provider.script_title("Parrots")
    async with open_house(tmp_path, provider, limits=IMPATIENT) as house:
        sent = await asked(house)
        await title.reached()
    async with open_house(tmp_path, provider, limits=PATIENT) as house:
        assert await title_of(house, sent) == DEFAULT_TITLE
        await asked(house, "And a cat?", sent.run.conversation_id)
        assert await title_of(house, sent) == "Parrots"


async def test_a_rename_wins_over_a_title_that_is_being_made(house: House, provider: TitlingProvider) -> None:
    answer, title = Gate(), Gate()
    provider.script("Hello", answer, " there")
    provider.script_title(title, "Parrots")
    sent = await house.prompts.send(ANNA, Prompt("Hi"))
    await title.reached()
    await house.chats.rename(ANNA, sent.run.conversation_id, "Mine")
    title.open()
    answer.open()
    assert not any(isinstance(each, Titled) for each in await shown(house, sent))
    assert await title_of(house, sent) == "Mine"


async def test_a_model_that_only_thinks_gets_the_first_words_for_a_title(
    house: House, provider: TitlingProvider
) -> None:
    provider.script_title(ReasoningPiece("The user has a parrot. A title could be"))
    assert await title_of(house, await asked(house)) == "How do I feed a parrot?"


async def test_a_model_that_never_ends_is_cut_off(house: House, provider: TitlingProvider) -> None:
    provider.script_title(*["Parrots and "] * 10_000)
    title = await title_of(house, await asked(house))
    assert title.startswith("Parrots and Parrots")
    assert len(title) <= 80


async def test_no_title_is_asked_for_when_nobody_wants_one(house: House, provider: TitlingProvider) -> None:
    sent = await house.prompts.send(ANNA, Prompt("Hi", generate_title=False))
    await house.prompts.answer(ANNA.owner, sent)
    assert provider.title_requests == []
    assert await title_of(house, sent) == DEFAULT_TITLE


async def test_messages_sent_at_once_make_one_title(house: House, provider: TitlingProvider) -> None:
    title = Gate()
    provider.script_title(title, "Parrots")
    first = await house.prompts.send(ANNA, Prompt("How do I feed a parrot?"))
    await title.reached()
    second = await house.prompts.send(ANNA, Prompt("And a cat?", first.run.conversation_id))
    title.open()
    await house.prompts.answer(ANNA.owner, second)
    assert len(provider.title_requests) == 1
    assert await title_of(house, first) == "Parrots"


async def test_a_title_too_many_at_once_is_left_to_the_next_message(tmp_path: Path, provider: TitlingProvider) -> None:
    title = Gate()
    provider.script_title(title, "Parrots")
    async with open_house(tmp_path, provider, limits=replace(IMPATIENT, titles_at_once=1)) as house:
        first = await house.prompts.send(ANNA, Prompt("Hi"))
        await title.reached()
        assert (await house.prompts.send(ANNA, Prompt("Hello"))).titling is None
        title.open()
        assert first.titling is not None
        assert await first.titling.title(SOON) == "Parrots"


async def test_a_deleted_chat_gets_no_title(house: House, provider: TitlingProvider) -> None:
    title = Gate()
    provider.script_title(title, "Parrots")
    sent = await house.prompts.send(ANNA, Prompt("Hi"))
    await title.reached()
    await house.threads.delete(ANNA, sent.run.conversation_key)
    title.open()
    assert sent.titling is not None
    assert await sent.titling.title(SOON) is None


class _OfflineModels(ScriptedModels):
    def is_offline(self, provider: str) -> bool:
        return True


async def test_without_a_model_a_title_is_made_of_the_first_words(house: House, provider: TitlingProvider) -> None:
    sent = await house.prompts.send(ANNA, Prompt("How do I feed a parrot in winter?", generate_title=False))
    await house.prompts.answer(ANNA.owner, sent)
    models = _OfflineModels(provider)
    async with Titles(
        store=house.store, clock=SystemClock(), models=models, limits=PATIENT, guard=OPEN, meter=house.meter
    ) as titles:
        titling = titles.begin(sent.run)
        assert titling is not None
        assert await titling.title(SOON) == "How do I feed a parrot…"
    assert provider.title_requests == []


async def test_who_watches_the_thread_sees_its_name_come(house: House, provider: TitlingProvider) -> None:
    provider.script_title("Parrots")
    sent = await asked(house)
    async for event in house.streams.watch(ANNA.owner, sent.run.conversation_key, after=0):
        if isinstance(event, Event) and event.payload == ConversationNamed("Parrots"):
            break
