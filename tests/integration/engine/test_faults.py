"""Leases, recovery and shutdown when the store fails, others interfere, or the configuration has changed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.adapters.system import SystemClock
from server.domain.errors import StoreUnavailable
from server.domain.ids import RunId, WorkerId
from server.domain.run import Lease, Run, RunReference, RunState
from server.engine.lease_clock import LeaseClock
from server.engine.recovery import Recovery
from server.ports.store import RememberedRequest
from tests.integration.engine.hooked_store import Hook, hooked_house
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

UNHURRIED = replace(QUICK, lease=timedelta(hours=1))
"""Leases that no test outlives: whoever needs one to lapse waits for ever."""


def on_write(number: int, act: Hook) -> Hook:
    """A hook that acts at one write, counted from 1, and lets the others pass."""
    writes = 0

    async def hook() -> None:
        nonlocal writes
        writes += 1
        if writes == number:
            await act()

    return hook


async def refuse() -> None:
    raise StoreUnavailable


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a fact of the store holds; every look takes a turn of the loop and of a reader."""
    async with asyncio.timeout(10):
        while not await fact():
            pass


async def abandoned_runs(folder: Path, count: int) -> list[Run]:
    """Leave running runs behind that nobody holds, each in a conversation of its own."""
    provider = ScriptedProvider(default=(Gate(),))
    async with open_house(folder, provider, limits=UNHURRIED) as house:
        keys = [f"talk-{number}" for number in range(count)]
        for key in keys:
            await house.threads.create(ANNA, name="", key=key)
        runs = [await house.send("hi", to=key) for key in keys]
        await provider.requested(count)
    return runs


async def test_a_claim_is_not_lost_when_another_one_fails(tmp_path: Path) -> None:
    runs = await abandoned_runs(tmp_path, 3)
    provider = ScriptedProvider(default=("found",))
    async with hooked_house(tmp_path, provider, limits=UNHURRIED, before=on_write(2, refuse)) as (house, _):
        async with asyncio.timeout(10):
            assert [(await house.ended(run)).state for run in runs] == [RunState.COMPLETED] * 3
        assert [(await house.runs.get(ANNA.owner, run.id)).epoch for run in runs] == [2, 2, 2]
    check_invariants(tmp_path / "house.db")


async def test_a_claim_under_way_while_the_engine_stops_is_handed_back(tmp_path: Path) -> None:
    (run,) = await abandoned_runs(tmp_path, 1)
    claimed = Gate()
    async with asyncio.timeout(20):
        async with hooked_house(tmp_path, ScriptedProvider(), limits=UNHURRIED, after=claimed.pass_through) as opened:
            await claimed.reached()
            await opened[0].engine.drain(timedelta(0))
            claimed.open()
        async with open_house(tmp_path, ScriptedProvider(default=("found",)), limits=UNHURRIED) as house:
            assert (await house.ended(run)).state is RunState.COMPLETED


async def test_leases_are_renewed_while_a_claim_waits_for_the_store(tmp_path: Path) -> None:
    await abandoned_runs(tmp_path, 1)
    stuck = Gate()
    provider = ScriptedProvider(default=(Gate(),))
    async with hooked_house(tmp_path, provider, before=on_write(1, stuck.pass_through)) as (house, _):
        await stuck.reached()
        await house.threads.create(ANNA, name="", key="other")
        run = await house.send("hi", to="other")

        async def is_renewed() -> bool:
            lease = (await house.runs.get(ANNA.owner, run.id)).lease
            assert run.lease is not None
            return lease is not None and lease.until > run.lease.until

        await until(is_renewed)
        stuck.open()


async def test_a_message_does_not_overtake_a_queue_that_nobody_serves_yet(tmp_path: Path) -> None:
    provider, stuck = ScriptedProvider(default=("fine",)), Gate()
    provider.script(Gate())
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="", key="talk")
        first, second = await house.send("first"), await house.send("second")
        await provider.requested()
        draining = asyncio.create_task(house.engine.drain(timedelta(seconds=30)))
        await asyncio.sleep(0)
        await house.runs.cancel(ANNA, first.id)
        await draining
    async with hooked_house(tmp_path, provider, before=on_write(1, stuck.pass_through)) as (house, _):
        await stuck.reached()
        third = await house.send("third")
        assert third.state is RunState.QUEUED
        stuck.open()
        assert [(await house.ended(run)).state for run in (second, third)] == [RunState.COMPLETED] * 2
        assert [text for role, text, _ in await house.said() if role == "user"] == ["first", "second", "third"]


async def test_a_run_that_was_renewed_after_it_was_found_is_left_to_its_worker(house: House) -> None:
    gate = Gate()
    house.provider.script("hello", gate)
    run = await house.send("hi")
    await gate.reached()
    last_attempt = replace(QUICK, run_attempts=1)
    lease_clock = LeaseClock(store=house.store, clock=SystemClock())
    await lease_clock.look()
    recovery = Recovery(store=house.store, clock=SystemClock(), lease_clock=lease_clock, limits=last_attempt)
    reference = RunReference(run.id, run.owner, run.conversation_id, run.epoch)
    assert await recovery.claim(reference, lambda: Lease(WorkerId("other"), datetime.now(UTC))) is None
    gate.open()
    assert (await house.ended(run)).state is RunState.COMPLETED


async def test_a_run_that_met_a_defect_is_begun_again_without_waiting_for_its_lease(tmp_path: Path) -> None:
    provider = ScriptedProvider(default=("fine",))
    # A time-out that is not the run's own is a defect like any other.
    provider.script("some", TimeoutError())
    async with open_house(tmp_path, provider, limits=UNHURRIED) as house, asyncio.timeout(10):
        await house.threads.create(ANNA, name="", key="talk")
        assert (await house.ended(await house.send("hi"))).state is RunState.COMPLETED
        assert await house.said() == [("user", "hi", "COMPLETE"), ("assistant", "fine", "COMPLETE")]


async def test_the_request_to_the_model_ends_at_once_though_the_store_hangs(tmp_path: Path) -> None:
    provider = ScriptedProvider(default=("some", "x" * 6000, Gate()))
    stuck = Gate()
    limits = replace(QUICK, run_output_bytes=5000)
    async with hooked_house(tmp_path, provider, limits=limits, before=on_write(3, stuck.pass_through)) as (house, _):
        await house.threads.create(ANNA, name="", key="talk")
        run = await house.send("hi")
        await stuck.reached()
        async with asyncio.timeout(10):
            await provider.idle()
        stuck.open()
        assert (await house.ended(run)).reason == "OUTPUT_TOO_LONG"


async def test_the_model_is_not_asked_for_a_run_that_was_ended_elsewhere(tmp_path: Path) -> None:
    provider, committed = ScriptedProvider(default=("unwanted",)), Gate()
    async with (
        hooked_house(tmp_path, provider, limits=UNHURRIED) as (house, store),
        open_house(tmp_path, ScriptedProvider(), limits=UNHURRIED) as other,
    ):
        await house.threads.create(ANNA, name="", key="talk")
        store.after = committed.pass_through
        sending = asyncio.create_task(house.send("hi"))
        await committed.reached()
        (run,) = (await other.runs.page(ANNA.owner, "talk", page_size=0, page_token="")).items
        await other.runs.cancel(ANNA, run.id)
        committed.open()
        await sending
        await asyncio.gather(*(execution.task for execution in house.engine._executions.values() if execution.task))
    assert provider.requests == []


async def test_a_run_whose_provider_left_the_configuration_fails_and_says_so(tmp_path: Path) -> None:
    (run,) = await abandoned_runs(tmp_path, 1)
    async with open_house(tmp_path, ScriptedProvider(name="newcomer")) as house:
        end = await house.ended(run)
    assert (end.state, end.reason) == (RunState.FAILED, "UNKNOWN_MODEL")
    assert end.message == "no configured provider is called 'scripted' any more, which offered the model 'first'"


async def test_outdated_request_ids_are_forgotten(tmp_path: Path) -> None:
    provider = ScriptedProvider(default=("hello",))
    long_ago = datetime.now(UTC) - timedelta(days=2)
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="", key="talk")
        run = await house.send("hi", request_id="young")
        remembered = RememberedRequest("fingerprint", RunId(run.id))
        await house.store.write(ANNA.owner, lambda tx: tx.requests.remember("old", remembered, now=long_ago))
        await house.ended(run)
    async with open_house(tmp_path, provider) as house:

        async def is_forgotten() -> bool:
            return await house.store.read(ANNA.owner, lambda tx: tx.requests.find("old", not_before=long_ago)) is None

        await until(is_forgotten)
        young = await house.store.read(ANNA.owner, lambda tx: tx.requests.find("young", not_before=long_ago))
        assert young is not None
