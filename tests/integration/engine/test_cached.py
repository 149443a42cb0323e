"""The response cache: a question is asked of the model once, and answered alike for whoever asked it before."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.store.tables import METADATA
from server.application.runs import SendMessage
from server.domain.cached_answer import cache_key
from server.domain.context import PromptMessage
from server.domain.events import MessageCompleted, MessageStarted, ReasoningDelta, RunEnded, RunStarted, TextDelta
from server.domain.generation import GenerationConfig
from server.domain.ids import ConversationId, default_organization_id
from server.domain.message import Message, Role
from server.domain.principal import Principal
from server.domain.run import Run, RunOptions, RunState
from server.domain.tool import ToolSpec
from server.ports.provider import CutShort, ProviderError, ReasoningPiece, RequestedCall, ToolCallsPiece
from tests.support.house import ANNA, BERT, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.set_clock import SetClock
from tests.support.upstream.gate import Gate

CACHING = replace(QUICK, cache_lifetime=timedelta(hours=1), cache_answer_bytes=1000)


@pytest.fixture
def clock() -> SetClock:
    """The house's clock."""
    return SetClock()


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider, clock: SetClock) -> AsyncIterator[House]:
    """A house that keeps answers."""
    async with open_house(tmp_path, provider, limits=CACHING, clock=clock) as opened:
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def ask(
    house: House,
    question: str = "hi",
    *,
    by: Principal = ANNA,
    use_cache: bool = True,
    generation: GenerationConfig | None = None,
) -> Run:
    """Ask in a thread of its own."""
    thread = await house.threads.create(by, name="", key="")
    options = RunOptions(use_cache=use_cache)
    command = SendMessage(
        thread.conversation.key, question, options=options, generation=generation or GenerationConfig()
    )
    return await house.runs.send(by, command)


async def answer(house: House, run: Run) -> Message:
    """The stored answer of a completed run."""
    assert (await house.ended(run)).state is RunState.COMPLETED
    return (await house.threads.state(run.owner, run.conversation_key)).messages[-1]


async def test_the_same_question_is_answered_alike_without_the_model(house: House) -> None:
    house.provider.script(ReasoningPiece("Hm."), "Hello", " there", usage(3, 2))
    first = await answer(house, await ask(house))
    run = await ask(house)
    second = await answer(house, run)
    assert (second.content, second.reasoning, second.model) == ("Hello there", "Hm.", first.model)
    assert (first.metadata.cache_hit, second.metadata.cache_hit) == (False, True)
    assert (second.usage, len(house.provider.requests)) == (None, 1)
    kinds = [type(event.payload) for event in await house.events(run)]
    assert kinds == [RunStarted, MessageStarted, ReasoningDelta, TextDelta, MessageCompleted, RunEnded]


async def test_what_an_answer_depends_on_makes_another_question(house: House) -> None:
    for _ in range(6):
        house.provider.script("Hello")
    await answer(house, await ask(house))
    await answer(house, await ask(house, by=BERT))
    await answer(house, await ask(house, "Hi"))
    await answer(house, await ask(house, generation=GenerationConfig(temperature=0.5)))
    await answer(house, await ask(house, generation=GenerationConfig(model="second")))
    await answer(house, await ask(house, use_cache=False))
    assert len(house.provider.requests) == 6


async def test_a_conversation_with_a_context_is_always_asked_of_the_model(house: House) -> None:
    for _ in range(3):
        house.provider.script("Hello")
    for _ in range(2):
        run = await ask(house)
        await answer(house, run)
        again = SendMessage(run.conversation_key, "hi", options=RunOptions(use_cache=True))
        assert not (await answer(house, await house.runs.send(ANNA, again))).metadata.cache_hit
    assert len(house.provider.requests) == 3


async def test_an_answer_that_asks_for_tools_is_not_kept(house: House) -> None:
    house.provider.script("Hello", ToolCallsPiece((RequestedCall("1", "clock", "{}"),)))
    house.provider.script("There is no clock")
    house.provider.script("Hello again")
    await answer(house, await ask(house))
    assert not (await answer(house, await ask(house))).metadata.cache_hit


async def test_a_question_with_tools_has_no_key(house: House) -> None:
    house.provider.script("Hello")
    run = await ask(house)
    prompt = (PromptMessage(Role.USER, "hi"),)
    assert cache_key(run, prompt, tools=(), guard_version="")
    assert cache_key(run, prompt, tools=(ToolSpec("clock", "", "{}"),), guard_version="") is None
    await house.ended(run)


async def test_an_answer_expires(house: House, clock: SetClock) -> None:
    for _ in range(2):
        house.provider.script("Hello")
    await answer(house, await ask(house))
    clock.ahead = timedelta(minutes=59)
    assert (await answer(house, await ask(house))).metadata.cache_hit
    clock.ahead = timedelta(minutes=61)
    assert not (await answer(house, await ask(house))).metadata.cache_hit


# Each way in which an API destroys a conversation.
DOORS: dict[str, Callable[[House, Run], Awaitable[ConversationId]]] = {
    "threads": lambda house, run: house.threads.delete(ANNA, run.conversation_key),
    "conversations": lambda house, run: house.conversations.remove(
        ANNA, default_organization_id(ANNA.owner.tenant), run.conversation_id
    ),
    "archive": lambda house, run: house.archive.delete(ANNA, run.conversation_id),
}


def rows_with(path: Path, word: str) -> dict[str, int]:
    """How many rows of each table of a database say a word anywhere. Not of the audit: it names what was deleted."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for name in METADATA.tables.keys() - {"audit"}:
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()
            found[name] = sum(any(word in str(value) for value in row) for row in rows)
    return found


@pytest.mark.parametrize("door", DOORS)
async def test_an_answer_goes_with_the_conversation_in_which_it_was_given(
    house: House, tmp_path: Path, door: str
) -> None:
    for _ in range(2):
        house.provider.script("A secret")
    first = await ask(house)
    await answer(house, first)
    second = await ask(house)
    assert (await answer(house, second)).metadata.cache_hit
    await house.threads.delete(ANNA, second.conversation_key)
    assert rows_with(tmp_path / "house.db", "secret")["cached_answers"] == 1
    assert await DOORS[door](house, first) == first.conversation_id
    for word in ("secret", first.conversation_id, second.conversation_id):
        assert not any(rows_with(tmp_path / "house.db", word).values())
    assert not (await answer(house, await ask(house))).metadata.cache_hit
    assert len(house.provider.requests) == 2


async def test_nothing_is_kept_of_a_conversation_that_went_while_it_was_answered(house: House, tmp_path: Path) -> None:
    gate = Gate()
    house.provider.script("A secret", gate)
    house.provider.script("Hello")
    leader = await ask(house)
    await gate.reached()
    other = await ask(house)
    # As another process does: nobody stops the run here.
    await house.store.write(ANNA.owner, lambda tx: tx.conversations.delete(leader.conversation_id))
    gate.open()
    assert (await answer(house, other)).content == "Hello"
    assert not any(rows_with(tmp_path / "house.db", "secret").values())


async def test_only_whole_answers_are_kept(house: House) -> None:
    for script in (
        ("Hel", ProviderError("PROVIDER_STREAM_CUT", "cut")),
        ("x" * 1001,),
        ("Hello there", CutShort()),
        ("Hello",),
    ):
        house.provider.script(*script)
    assert (await house.ended(await ask(house))).state is RunState.FAILED
    await answer(house, await ask(house))
    await answer(house, await ask(house))
    await answer(house, await ask(house))
    assert len(house.provider.requests) == 4


async def test_who_asks_at_the_same_time_is_served_from_one_answer(house: House) -> None:
    gate = Gate()
    house.provider.script("Hello", gate, " there")
    leader = await ask(house)
    await gate.reached()
    others = [await ask(house) for _ in range(5)]
    gate.open()
    answers = await asyncio.gather(*(answer(house, run) for run in [leader, *others]))
    assert [message.content for message in answers] == ["Hello there"] * 6
    assert [message.metadata.cache_hit for message in answers] == [False] + [True] * 5
    assert len(house.provider.requests) == 1


async def test_when_the_leader_is_cancelled_one_of_the_others_leads(house: House) -> None:
    shut = Gate()
    house.provider.script("Hel", shut)
    house.provider.script("Hello")
    leader = await ask(house)
    await shut.reached()
    others = [await ask(house) for _ in range(3)]
    await house.runs.cancel(ANNA, leader.id)
    answers = await asyncio.gather(*(answer(house, run) for run in others))
    assert [message.content for message in answers] == ["Hello"] * 3
    assert sorted(message.metadata.cache_hit for message in answers) == [False, True, True]
    assert len(house.provider.requests) == 2


async def test_who_waits_can_be_cancelled_and_waits_no_longer_than_a_run_may_take(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    provider.script("Hel", Gate())
    limits = replace(CACHING, run_duration=timedelta(seconds=1))
    async with open_house(tmp_path, provider, limits=limits) as house:
        leader = await ask(house)
        waiting, cancelled = await ask(house), await ask(house)
        assert (await house.runs.cancel(ANNA, cancelled.id)).state is RunState.CANCELLED
        provider.script(Endless("x"))
        assert (await house.ended(leader)).reason == "RUN_TIMEOUT"
        assert (await house.ended(waiting)).state is RunState.FAILED
