"""How many runs of a key or a person are under way at a time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.application.runs import SendMessage
from server.domain.conversation import InterruptPolicy
from server.domain.ids import KeyId
from server.domain.limit_errors import TooManyRuns
from server.domain.run import RunState
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

OTHER_KEY = replace(ANNA, key_id=KeyId("another"))
IN_PERSON = replace(ANNA, key_id=None, is_person=True)
LIMITS = replace(QUICK, runs_per_caller=2)
TALKS = ("one", "two", "three", "four", "five")


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[House]:
    """A house whose model says nothing yet, with two runs of Anna's key under way."""
    async with open_house(tmp_path, ScriptedProvider(default=(Gate(), "Done.")), limits=LIMITS) as house:
        for name in TALKS:
            await house.threads.create(ANNA, name=name, key=name)
        for name in ("one", "two"):
            assert (await house.send("hi", to=name)).state is RunState.RUNNING
        yield house


async def test_one_run_too_many_is_refused_and_stores_nothing(busy: House) -> None:
    with pytest.raises(TooManyRuns) as caught:
        await busy.send("hi", to="three")
    assert caught.value.metadata == {"limit": "runs", "most": "2"}
    assert (await busy.threads.state(ANNA.owner, "three")).messages == []
    with pytest.raises(TooManyRuns):
        await busy.runs.send(ANNA, SendMessage("three", "hi", interrupt_policy=InterruptPolicy.INTERRUPT))


async def test_what_waits_or_takes_anothers_place_is_not_one_more(busy: House) -> None:
    assert (await busy.send("and?", to="one")).state is RunState.QUEUED
    instead = SendMessage("two", "no!", interrupt_policy=InterruptPolicy.INTERRUPT)
    assert (await busy.runs.send(ANNA, instead)).state is RunState.RUNNING
    with pytest.raises(TooManyRuns):
        await busy.send("hi", to="three")


async def test_another_key_and_the_person_have_places_of_their_own(busy: House) -> None:
    for caller, name in ((OTHER_KEY, "three"), (IN_PERSON, "four")):
        assert (await busy.send("hi", to=name, by=caller)).state is RunState.RUNNING


async def test_the_end_of_a_run_makes_room(busy: House) -> None:
    run = await busy.send("hi", to="five", by=OTHER_KEY)
    assert run.caller == "key:another"
    active = (await busy.threads.state(ANNA.owner, "one")).active_run
    assert active is not None
    await busy.runs.cancel(ANNA, active.id)
    assert (await busy.send("hi", to="three")).state is RunState.RUNNING


async def test_a_repeated_send_is_answered_whatever_is_under_way(busy: House) -> None:
    again = await busy.send("hi", to="three", by=OTHER_KEY, request_id="q")
    await busy.send("hi", to="four", by=OTHER_KEY)
    assert (await busy.send("hi", to="three", by=OTHER_KEY, request_id="q")).id == again.id


async def test_after_a_restart_the_store_knows_who_started_what(tmp_path: Path) -> None:
    script = ScriptedProvider(default=(Gate(), "Done."))
    async with open_house(tmp_path, script, limits=LIMITS) as house:
        for name in TALKS:
            await house.threads.create(ANNA, name=name, key=name)
        for name in ("one", "two"):
            await house.send("hi", to=name)
    async with open_house(tmp_path, script, limits=LIMITS) as house:
        with pytest.raises(TooManyRuns):
            await house.send("hi", to="three")
