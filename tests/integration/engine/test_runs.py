"""A message becomes an answer, whatever happens on the way."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.domain.conversation import ContextStrategy, InterruptPolicy
from server.domain.errors import (
    ConversationNotFound,
    QueueFull,
    RequestIdReused,
    RunNotFound,
    ShuttingDown,
    UnknownModel,
)
from server.domain.events import Event, MessageCompleted, MessageStarted, RunStarted, TextDelta
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.domain.run import RunState
from server.ports.provider import ProviderError, ReasoningPiece
from tests.support.house import ANNA, BERT, QUICK, House, open_house
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.upstream.gate import Gate


async def test_a_message_is_answered_and_the_exchange_stored(house: House) -> None:
    house.provider.script(ReasoningPiece("Hm."), "Hello", " there", usage(5, 2))
    run = await house.send("hi")
    assert run.state is RunState.RUNNING
    assert (await house.ended(run)).state is RunState.COMPLETED
    state = await house.threads.state(ANNA.owner, "talk")
    assert await house.said() == [("user", "hi", "COMPLETE"), ("assistant", "Hello there", "COMPLETE")]
    answer = state.messages[-1]
    assert (answer.model, answer.run_id, answer.reasoning) == ("first", run.id, "Hm.")
    assert answer.usage is not None
    assert answer.usage.total_tokens == 7
    assert state.active_run is None


async def test_the_log_of_a_run_tells_its_whole_story_in_order(house: House) -> None:
    house.provider.script("Hello", " there")
    run = await house.send("hi")
    events = await house.events(run)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    first, second = events[0].payload, events[1].payload
    assert isinstance(first, RunStarted)
    assert isinstance(second, MessageStarted)
    completed = events[-2].payload
    assert isinstance(completed, MessageCompleted)
    deltas = [event.payload.text for event in events if isinstance(event.payload, TextDelta)]
    assert "".join(deltas) == completed.message.content == "Hello there"


async def test_the_first_piece_is_seen_while_the_model_still_speaks(house: House) -> None:
    gate = Gate()
    house.provider.script("Hello", gate, " there")
    run = await house.send("hi")
    stream = house.streams.run(ANNA.owner, run.id, after=0)
    async for event in stream:
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            # The gate is shut: the model has not said the rest.
            assert event.payload.text == "Hello"
            break
    gate.open()
    await stream.aclose()
    await house.ended(run)


async def test_the_model_sees_prompt_history_window_and_generation(house: House) -> None:
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(system_prompt="Be kind."))
    await house.threads.configure_context(ANNA, "talk", strategy=ContextStrategy.SLIDING_WINDOW, max_history_messages=3)
    await house.threads.configure_generation(ANNA, "talk", GenerationConfig(model="second", temperature=0.5))
    for number in range(2):
        house.provider.script(f"answer {number}")
        await house.ended(await house.send(f"question {number}"))
    house.provider.script("answer 2")
    command = SendMessage("talk", "question 2", generation=GenerationConfig(max_tokens=9))
    await house.ended(await house.runs.send(ANNA, command))
    request = house.provider.requests[-1]
    assert [(part.role, part.content) for part in request.messages] == [
        (Role.SYSTEM, "Be kind."),
        (Role.USER, "question 1"),
        (Role.ASSISTANT, "answer 1"),
        (Role.USER, "question 2"),
    ]
    assert request.generation == GenerationConfig(model="second", temperature=0.5, max_tokens=9)


async def test_messages_sent_during_a_run_wait_and_are_answered_in_order(house: House) -> None:
    gate = Gate()
    house.provider.script("one", gate)
    house.provider.script("two")
    house.provider.script("three")
    runs = [await house.send(text) for text in ("first", "second", "third")]
    assert [run.state for run in runs] == [RunState.RUNNING, RunState.QUEUED, RunState.QUEUED]
    state = await house.threads.state(ANNA.owner, "talk")
    assert [message.content for message in state.queued_messages] == ["second", "third"]
    assert [message.content for message in state.messages] == ["first"]
    gate.open()
    assert (await house.ended(runs[-1])).state is RunState.COMPLETED
    assert [(role, text) for role, text, _ in await house.said()] == [
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
        ("assistant", "two"),
        ("user", "third"),
        ("assistant", "three"),
    ]


async def test_a_full_queue_refuses_and_stores_nothing(tmp_path: Path, provider: ScriptedProvider) -> None:
    gate = Gate()
    provider.script("one", gate)
    async with open_house(tmp_path, provider, limits=replace(QUICK, queue_per_conversation=2)) as house:
        await house.threads.create(ANNA, name="", key="talk")
        for text in ("first", "second", "third"):
            await house.send(text)
        with pytest.raises(QueueFull):
            await house.send("fourth")
        state = await house.threads.state(ANNA.owner, "talk")
        assert [message.content for message in state.queued_messages] == ["second", "third"]


async def test_an_interrupt_keeps_the_partial_answer_and_silences_the_old_run(house: House) -> None:
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    gate = Gate()
    house.provider.script("old words", gate, " never said")
    house.provider.script("new words")
    old = await house.send("first")
    async for event in house.streams.run(ANNA.owner, old.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            break
    new = await house.send("second")
    acknowledged = (await house.events(old))[-1].sequence
    assert new.state is RunState.RUNNING
    assert (await house.ended(old)).state is RunState.INTERRUPTED
    assert (await house.ended(new)).state is RunState.COMPLETED
    await house.provider.idle()
    assert house.provider.streams_abandoned == 1
    assert await house.said() == [
        ("user", "first", "COMPLETE"),
        ("assistant", "old words", "INTERRUPTED"),
        ("user", "second", "COMPLETE"),
        ("assistant", "new words", "COMPLETE"),
    ]
    later = [event async for event in house.streams.run(ANNA.owner, old.id, after=acknowledged)]
    assert later == []


async def test_one_message_that_interrupts_overtakes_those_that_wait(house: House) -> None:
    for script in (("old words", Gate()), ("at once",), ("in turn",)):
        house.provider.script(*script)
    old, waiting = await house.send("first"), await house.send("second")
    await house.provider.requested()
    urgent = await house.runs.send(
        ANNA, SendMessage("talk", "third", interrupt_policy=InterruptPolicy.INTERRUPT, request_id="r")
    )
    assert (urgent.state, (await house.runs.get(ANNA.owner, waiting.id)).state) == (RunState.RUNNING, RunState.QUEUED)
    assert (await house.ended(old)).state is RunState.INTERRUPTED
    assert (await house.ended(waiting)).state is RunState.COMPLETED
    answers = [text for role, text, _ in await house.said() if role == "assistant"]
    assert answers[-2:] == ["at once", "in turn"]
    with pytest.raises(RequestIdReused):
        await house.runs.send(ANNA, SendMessage("talk", "third", request_id="r"))


async def test_one_message_that_waits_leaves_the_run_alone_whatever_the_thread_says(house: House) -> None:
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    gate = Gate()
    house.provider.script("one", gate)
    house.provider.script("two")
    first = await house.send("first")
    second = await house.runs.send(ANNA, SendMessage("talk", "second", interrupt_policy=InterruptPolicy.QUEUE))
    assert second.state is RunState.QUEUED
    gate.open()
    assert (await house.ended(first)).state is RunState.COMPLETED
    assert (await house.ended(second)).state is RunState.COMPLETED


async def test_cancelling_stops_the_model_keeps_the_text_and_starts_the_next(house: House) -> None:
    house.provider.script("partial", Gate())
    house.provider.script("next")
    run, waiting = await house.send("first"), await house.send("second")
    async for event in house.streams.run(ANNA.owner, run.id, after=0):
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            break
    ended = await house.runs.cancel(ANNA, run.id)
    assert ended.state is RunState.CANCELLED
    assert (await house.runs.cancel(ANNA, run.id)).state is RunState.CANCELLED
    assert (await house.ended(waiting)).state is RunState.COMPLETED
    assert [text for _, text, _ in await house.said()] == ["first", "partial", "second", "next"]


async def test_a_cancelled_queued_run_never_starts(house: House) -> None:
    gate = Gate()
    house.provider.script("one", gate)
    house.provider.script("three")
    first, second, third = [await house.send(text) for text in ("first", "second", "third")]
    assert (await house.runs.cancel(ANNA, second.id)).state is RunState.CANCELLED
    gate.open()
    await house.ended(third)
    assert (await house.ended(second)).state is RunState.CANCELLED
    assert [text for _, text, _ in await house.said()] == ["first", "one", "third", "three"]
    assert (await house.threads.state(ANNA.owner, "talk")).queued_messages == []
    assert (await house.runs.get(ANNA.owner, first.id)).state is RunState.COMPLETED


async def test_a_failure_of_the_model_is_told_and_the_partial_text_kept(house: House) -> None:
    error = ProviderError("PROVIDER_RATE_LIMITED", "try later", retryable=True, retry_after=timedelta(seconds=7))
    house.provider.script("half an", error)
    house.provider.script("whole")
    failed = await house.send("first")
    end = await house.ended(failed)
    assert (end.state, end.reason, end.message) == (RunState.FAILED, "PROVIDER_RATE_LIMITED", "try later")
    stored = await house.runs.get(ANNA.owner, failed.id)
    assert stored.error is not None
    assert stored.error.retry_after == timedelta(seconds=7)
    await house.ended(await house.send("again"))
    assert await house.said() == [
        ("user", "first", "COMPLETE"),
        ("assistant", "half an", "FAILED"),
        ("user", "again", "COMPLETE"),
        ("assistant", "whole", "COMPLETE"),
    ]


async def test_an_endless_answer_is_cut_at_the_limit(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.script(Endless("x" * 100))
    async with open_house(tmp_path, provider, limits=replace(QUICK, run_output_bytes=5000)) as house:
        await house.threads.create(ANNA, name="", key="talk")
        end = await house.ended(await house.send("talk"))
        assert end.reason == "OUTPUT_TOO_LONG"
        assert 5000 < len((await house.said())[-1][1]) < 5200


async def test_the_limit_of_an_answer_counts_its_bytes_on_the_wire(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.script("\u00e9" * 3000, "more")
    async with open_house(tmp_path, provider, limits=replace(QUICK, run_output_bytes=5000)) as house:
        await house.threads.create(ANNA, name="", key="talk")
        assert (await house.ended(await house.send("talk"))).reason == "OUTPUT_TOO_LONG"


async def test_a_run_past_its_time_fails_and_keeps_its_text(tmp_path: Path, provider: ScriptedProvider) -> None:
    provider.script("slow", Gate())
    limits = replace(QUICK, run_duration=timedelta(milliseconds=300))
    async with open_house(tmp_path, provider, limits=limits) as house:
        await house.threads.create(ANNA, name="", key="talk")
        end = await house.ended(await house.send("talk"))
        assert (end.state, end.reason) == (RunState.FAILED, "RUN_TIMEOUT")
        assert (await house.said())[-1] == ("assistant", "slow", "FAILED")


async def test_a_repeated_request_id_is_answered_alike_and_sends_once(house: House) -> None:
    house.provider.script("hello")
    first = await house.send("hi", request_id="r1")
    await house.ended(first)
    again = await house.send("hi", request_id="r1")
    assert (again.id, again.state) == (first.id, RunState.RUNNING)
    with pytest.raises(RequestIdReused):
        await house.send("something else", request_id="r1")
    assert len(house.provider.requests) == 1
    assert len(await house.said()) == 2


async def test_concurrent_sends_with_one_request_id_make_one_message(house: House) -> None:
    house.provider.script("hello")
    runs = await asyncio.gather(*(house.send("hi", request_id="r1") for _ in range(10)))
    assert len({run.id for run in runs}) == 1
    await house.ended(runs[0])
    assert len(await house.said()) == 2


async def test_nobody_reaches_what_is_not_theirs(house: House) -> None:
    house.provider.script("hello")
    run = await house.send("hi")
    await house.ended(run)
    with pytest.raises(ConversationNotFound):
        await house.send("hi", by=BERT)
    with pytest.raises(RunNotFound):
        await house.runs.get(BERT.owner, run.id)
    with pytest.raises(RunNotFound):
        await house.runs.cancel(BERT, run.id)
    with pytest.raises(RunNotFound):
        await anext(house.streams.run(BERT.owner, run.id, after=0))


async def test_an_unknown_model_is_refused_before_anything_is_stored(house: House) -> None:
    with pytest.raises(UnknownModel):
        await house.runs.send(ANNA, SendMessage("talk", "hi", generation=GenerationConfig(model="third")))
    with pytest.raises(UnknownModel):
        await house.threads.configure_generation(ANNA, "talk", GenerationConfig(model="third"))
    assert await house.said() == []


async def test_a_draining_engine_refuses_sends_and_finishes_what_it_has(house: House) -> None:
    gate = Gate()
    house.provider.script("one", gate)
    run = await house.send("first")
    waiting = await house.send("second")
    await gate.reached()
    draining = asyncio.create_task(house.engine.drain(timedelta(seconds=30)))
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await house.send("third")
    gate.open()
    await draining
    assert (await house.ended(run)).state is RunState.COMPLETED
    assert (await house.runs.get(ANNA.owner, waiting.id)).state is RunState.QUEUED


async def test_deleting_a_thread_stops_its_run_and_ends_its_streams(house: House) -> None:
    house.provider.script("partial", Gate())
    run = await house.send("first")
    watched = house.streams.watch(ANNA.owner, "talk", after=0)
    async for event in watched:
        if isinstance(event, Event) and isinstance(event.payload, TextDelta):
            break
    await house.threads.delete(ANNA, "talk")
    with pytest.raises(ConversationNotFound):
        async for _ in watched:
            pass
    await house.provider.idle()
    with pytest.raises(RunNotFound):
        await house.runs.get(ANNA.owner, run.id)


async def test_many_conversations_run_beside_each_other(tmp_path: Path) -> None:
    provider = ScriptedProvider(default=("a", "b", "c"))
    async with open_house(tmp_path, provider) as house:
        keys = [f"talk-{number}" for number in range(30)]
        await asyncio.gather(*(house.threads.create(ANNA, name="", key=key) for key in keys))
        runs = await asyncio.gather(*(house.send("hi", to=key) for key in keys))
        ends = await asyncio.gather(*(house.ended(run) for run in runs))
        assert {end.state for end in ends} == {RunState.COMPLETED}
        page = await house.threads.page(ANNA.owner, page_size=7, page_token="", include_archived=False)
        seen = [item.conversation.key for item in page.items]
        while page.next_token:
            page = await house.threads.page(ANNA.owner, page_size=7, page_token=page.next_token, include_archived=False)
            seen += [item.conversation.key for item in page.items]
        assert sorted(seen) == sorted(keys)
