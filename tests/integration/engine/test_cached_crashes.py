"""The response cache and a process that goes: whoever led, whoever waited, is answered by the next one."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.domain.errors import StoreUnavailable
from server.domain.events import Event, TextDelta
from server.domain.message import Message
from server.domain.run import Run, RunOptions, RunState
from tests.integration.engine.hooked_store import hooked_house
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

_CACHING = replace(QUICK, cache_lifetime=timedelta(hours=1), cache_answer_bytes=1000)


@pytest.fixture(autouse=True)
async def nothing_is_broken(tmp_path: Path) -> AsyncIterator[None]:
    async with asyncio.timeout(30):
        yield
    check_invariants(tmp_path / "house.db")


async def _ask(house: House) -> Run:
    """Ask the same as ever, in a thread of its own."""
    thread = await house.threads.create(ANNA, name="", key="")
    return await house.runs.send(ANNA, SendMessage(thread.conversation.key, "hi", options=RunOptions(use_cache=True)))


async def _answer(house: House, run: Run) -> Message:
    assert (await house.ended(run)).state is RunState.COMPLETED
    return (await house.threads.state(run.owner, run.conversation_key)).messages[-1]


async def _says(house: House, run: Run) -> None:
    """Wait for the first word of an answer."""
    async with aclosing(house.streams.run(ANNA.owner, run.id, after=0)) as events:
        async for event in events:
            if isinstance(event, Event) and isinstance(event.payload, TextDelta):
                return


async def test_when_the_leaders_process_goes_the_next_one_asks_once_for_all(tmp_path: Path) -> None:
    first = ScriptedProvider()
    first.script("lost", Gate())
    async with open_house(tmp_path, first, limits=_CACHING) as house:
        runs = [await _ask(house)]
        await _says(house, runs[0])
        runs += [await _ask(house) for _ in range(3)]
    assert len(first.requests) == 1, "somebody did not wait for the leader"
    second = ScriptedProvider()
    second.script("found")
    async with open_house(tmp_path, second, limits=_CACHING) as house:
        answers = [await _answer(house, run) for run in runs]
    assert [message.content for message in answers] == ["found"] * 4
    assert sorted(message.metadata.cache_hit for message in answers) == [False, True, True, True]


async def test_what_the_leader_had_stored_before_its_process_went_answers_itself_and_whoever_waited(
    tmp_path: Path,
) -> None:
    provider, gate, crashed = ScriptedProvider(), Gate(), asyncio.Event()
    provider.script("kept", gate)
    async with hooked_house(tmp_path, provider, limits=_CACHING) as (house, store):

        async def crash() -> None:
            with closing(sqlite3.connect(tmp_path / "house.db")) as connection:
                store.gone = bool(connection.execute("SELECT count(*) FROM cached_answers").fetchone()[0])
            if store.gone:
                crashed.set()
                raise StoreUnavailable

        leader = await _ask(house)
        await _says(house, leader)
        waiting = await _ask(house)
        store.after = crash
        gate.open()
        await crashed.wait()
    async with open_house(tmp_path, ScriptedProvider(), limits=_CACHING) as house:
        answers = [await _answer(house, run) for run in (leader, waiting)]
    assert [(message.content, message.metadata.cache_hit) for message in answers] == [("kept", True)] * 2
