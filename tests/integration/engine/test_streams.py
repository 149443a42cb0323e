"""Streams: from any point, to the end, without a gap, a repeat or an unexplained silence."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.domain.errors import ConversationNotFound, CursorInFuture, RunNotFound
from server.domain.events import Event, MessageCompleted, MessageStarted, RunEnded, RunQueued
from server.domain.message import Role
from server.domain.run import RunState
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.upstream.gate import Gate

BRISK = replace(QUICK, stream_heartbeat=timedelta(milliseconds=200))


async def test_every_cursor_of_a_run_leads_to_the_rest_of_it(house: House) -> None:
    house.provider.script("one", Gate(), "two")
    house.provider.script("three")
    first, second = await house.send("first"), await house.send("second")
    await house.runs.cancel(ANNA, first.id)
    for run in (first, second):
        whole = await house.events(run)
        last = whole[-1].sequence
        for after in range(last + 1):
            assert await house.events(run, after=after) == [event for event in whole if event.sequence > after]
    with pytest.raises(CursorInFuture):
        await house.events(first, after=last + 1)


async def test_a_queued_run_shows_signs_of_life_while_another_one_speaks(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.script(Endless("x"))
    async with open_house(tmp_path, provider, limits=replace(BRISK, run_output_bytes=10**9)) as house:
        await house.threads.create(ANNA, name="", key="talk")
        await house.send("first")
        waiting = await house.send("second")
        stream = house.streams.run(ANNA.owner, waiting.id, after=0)
        queued = await anext(stream)
        assert isinstance(queued, Event)
        assert isinstance(queued.payload, RunQueued)
        async with asyncio.timeout(10):
            assert await anext(stream) is None
            assert await anext(stream) is None
        await stream.aclose()


async def test_a_stream_finds_in_the_log_what_its_feed_never_told(tmp_path: Path) -> None:
    here, there = ScriptedProvider(), ScriptedProvider(default=("from there",))
    async with open_house(tmp_path, here, limits=BRISK) as watching, open_house(tmp_path, there) as working:
        await watching.threads.create(ANNA, name="", key="talk")
        stream = watching.streams.watch(ANNA.owner, "talk", after=0)
        assert await anext(stream) is None
        run = await working.send("hi")
        told: list[Event] = []
        async with asyncio.timeout(20):
            while not (told and isinstance(told[-1].payload, RunEnded)):
                event = await anext(stream)
                told += [event] if isinstance(event, Event) else []
        assert told == await working.events(run)
        await working.threads.delete(ANNA, "talk")
        async with asyncio.timeout(20):
            with pytest.raises(ConversationNotFound, match="'talk'"):
                assert [event async for event in stream if event is not None] == []


async def test_the_stream_of_a_run_that_is_deleted_ends_with_that_fact(house: House) -> None:
    house.provider.script(Gate())
    run = await house.send("hi")
    stream = house.streams.run(ANNA.owner, run.id, after=0)
    await anext(stream)
    await house.threads.delete(ANNA, "talk")
    with pytest.raises(RunNotFound):
        await anext(stream)


async def test_a_message_begins_before_it_is_complete_even_when_it_is_empty(house: House) -> None:
    house.provider.script(usage(3, 0))
    run = await house.send("hi")
    events = [event.payload for event in await house.events(run)]
    assert [type(payload) for payload in events[1:]] == [MessageStarted, MessageCompleted, RunEnded]
    started, completed = events[1], events[2]
    assert isinstance(started, MessageStarted)
    assert isinstance(completed, MessageCompleted)
    assert (started.message_id, started.role) == (completed.message.id, Role.ASSISTANT)
    assert completed.message.content == ""


async def test_what_never_began_belongs_to_no_attempt(house: House) -> None:
    house.provider.script(Gate())
    _, waiting = await house.send("first"), await house.send("second")
    await house.runs.cancel(ANNA, waiting.id)
    events = await house.events(waiting)
    assert [(type(event.payload), event.epoch) for event in events] == [(RunQueued, None), (RunEnded, None)]
    assert (await house.ended(waiting)).state is RunState.CANCELLED
