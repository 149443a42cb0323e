"""A caller that leaves at the worst moment takes nothing with it: what was committed is carried on at once.

Leases last an hour here and nobody looks for abandoned runs: what is not begun at once is never begun.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.application.runs import SendMessage
from server.application.threads import SettingsChange
from server.domain.conversation import InterruptPolicy
from server.domain.errors import ConversationNotFound
from server.domain.run import RunState
from tests.integration.engine.hooked_store import HookedStore, hooked_house
from tests.support.house import ANNA, QUICK, House
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

PATIENT = replace(QUICK, lease=timedelta(hours=1), lease_heartbeat=timedelta(hours=1))


@pytest.fixture
async def hooked(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[tuple[House, HookedStore]]:
    async with hooked_house(tmp_path, provider, limits=PATIENT) as opened:
        await opened[0].threads.create(ANNA, name="", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)


async def leave_after_commit(store: HookedStore, call: Coroutine[Any, Any, Any]) -> None:
    """Make a call and abandon it when its unit is committed and the use case has not heard of it."""
    committed = Gate()
    store.after = committed.pass_through
    caller = asyncio.create_task(call)
    await committed.reached()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    committed.open()


async def test_a_run_whose_sender_left_as_it_was_accepted_is_executed(
    hooked: tuple[House, HookedStore],
) -> None:
    house, store = hooked
    house.provider.script("hello")
    await leave_after_commit(store, house.send("hi"))
    async with asyncio.timeout(10):
        await house.provider.requested()
        page = await house.runs.page(ANNA.owner, "talk", page_size=0, page_token="")
        assert (await house.ended(page.items[0])).state is RunState.COMPLETED
    assert await house.said() == [("user", "hi", "COMPLETE"), ("assistant", "hello", "COMPLETE")]


async def test_an_interrupt_whose_sender_left_stops_the_old_model_and_starts_the_new(
    hooked: tuple[House, HookedStore],
) -> None:
    house, store = hooked
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    house.provider.script(Gate())
    house.provider.script("new")
    await house.send("first")
    await house.provider.requested()
    await leave_after_commit(store, house.send("second"))
    async with asyncio.timeout(10):
        await house.provider.requested(2)
        await house.provider.idle()
    assert house.provider.streams_abandoned == 1


async def test_a_cancellation_whose_caller_left_starts_the_next_run(hooked: tuple[House, HookedStore]) -> None:
    house, store = hooked
    house.provider.script(Gate())
    house.provider.script("two")
    run, waiting = await house.send("first"), await house.send("second")
    await house.provider.requested()
    await leave_after_commit(store, house.runs.cancel(ANNA, run.id))
    async with asyncio.timeout(10):
        assert (await house.ended(waiting)).state is RunState.COMPLETED
        await house.provider.idle()


async def test_a_deletion_whose_caller_left_stops_the_model_and_ends_the_streams(
    hooked: tuple[House, HookedStore],
) -> None:
    house, store = hooked
    house.provider.script(Gate())
    await house.send("first")
    await house.provider.requested()
    watched = house.streams.watch(ANNA.owner, "talk", after=0)
    await anext(watched)
    await leave_after_commit(store, house.threads.delete(ANNA, "talk"))
    async with asyncio.timeout(10):
        await house.provider.idle()
        with pytest.raises(ConversationNotFound):
            async for _ in watched:
                pass


async def test_what_two_interrupts_at_once_leave_behind_is_nothing(hooked: tuple[House, HookedStore]) -> None:
    house, _ = hooked
    await house.threads.configure_settings(ANNA, "talk", SettingsChange(interrupt_policy=InterruptPolicy.INTERRUPT))
    for _ in range(8):
        house.provider.script("answer")
    runs = await asyncio.gather(*(house.runs.send(ANNA, SendMessage("talk", str(n))) for n in range(8)))
    ends = [(await house.ended(run)).state for run in runs]
    assert ends == [RunState.INTERRUPTED] * 7 + [RunState.COMPLETED]
    executing = [execution.task for execution in house.engine._executions.values() if execution.task]
    await asyncio.gather(*executing, return_exceptions=True)
    await asyncio.sleep(0)
    assert house.engine._executions == {}
