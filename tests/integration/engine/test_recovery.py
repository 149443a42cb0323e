"""Runs that lose their worker are taken up again, a bounded number of times, and never written by two."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemClock
from server.domain.events import AttemptReset, Event, TextDelta
from server.domain.run import RunState
from server.engine.lease_clock import LeaseClock
from server.engine.recovery import Recovery
from server.ports.store import Store
from server.ports.system import Clock
from tests.contract.store.builders import lease, running
from tests.support.house import ANNA, QUICK, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate


async def test_a_restarted_house_finishes_what_was_running_and_what_waited(tmp_path: Path) -> None:
    first_provider = ScriptedProvider()
    first_provider.script("lost words", Gate())
    async with open_house(tmp_path, first_provider) as house:
        await house.threads.create(ANNA, name="", key="talk")
        run, waiting = await house.send("first"), await house.send("second")
        async for event in house.streams.run(ANNA.owner, run.id, after=0):
            if isinstance(event, Event) and isinstance(event.payload, TextDelta):
                break
    second_provider = ScriptedProvider()
    second_provider.script("found words")
    second_provider.script("more words")
    async with open_house(tmp_path, second_provider) as house:
        assert (await house.ended(waiting)).state is RunState.COMPLETED
        events = await house.events(run)
        resets = [event for event in events if isinstance(event.payload, AttemptReset)]
        assert [event.payload for event in resets] == [AttemptReset(2)]
        assert [text for _, text, _ in await house.said()] == ["first", "found words", "second", "more words"]
    check_invariants(tmp_path / "house.db")


async def test_a_run_that_fails_unexpectedly_each_time_is_given_up(house: House) -> None:
    for _ in range(3):
        house.provider.script("some", RuntimeError("a defect"))
    house.provider.script("fine")
    poisonous, waiting = await house.send("first"), await house.send("second")
    end = await house.ended(poisonous)
    assert (end.state, end.reason) == (RunState.FAILED, "ATTEMPTS_EXHAUSTED")
    assert (await house.ended(waiting)).state is RunState.COMPLETED
    assert [text for _, text, _ in await house.said()] == ["first", "second", "fine"]


class _SkewedClock(SystemClock):
    """The clock of a machine that is an hour off."""

    def __init__(self, hours: float) -> None:
        self._skew = timedelta(hours=hours)

    def now(self) -> datetime:
        return super().now() + self._skew


@pytest.mark.parametrize("hours", [-1, 1])
async def test_wrong_clocks_take_no_run_from_a_worker_that_holds_it(tmp_path: Path, hours: float) -> None:
    provider = ScriptedProvider()
    # Now the holder's clock is wrong, now that of whoever looks for abandoned runs.
    for holder, seeker in ((SystemClock(), _SkewedClock(hours)), (_SkewedClock(hours), SystemClock())):
        folder = tmp_path / type(holder).__name__
        folder.mkdir()
        provider.script("mine", Gate())
        async with open_house(folder, provider, clock=holder) as house:
            await house.threads.create(ANNA, name="", key="talk")
            run = await house.send("first")
            recovery = await _recovery(house, seeker)
            assert await recovery.abandoned(held=()) == []
            await house.store.write_system(lambda tx: tx.void_leases())
            assert [reference.id for reference in await recovery.abandoned(held=())] == [run.id]


async def _recovery(house: House, clock: Clock) -> Recovery:
    """What another worker with that clock would look for."""
    return await _recovery_of(house.store, clock)


async def _recovery_of(store: Store, clock: Clock) -> Recovery:
    lease_clock = LeaseClock(store=store, clock=clock)
    await lease_clock.look()
    return Recovery(store=store, clock=clock, lease_clock=lease_clock, limits=QUICK)


@pytest.mark.parametrize(("epoch", "settled"), [(1, 0), (3, 0), (4, 0), (3, 1), (9, 7), (9, 6)])
async def test_attempts_before_a_stored_step_do_not_count(sqlite_store: Store, epoch: int, settled: int) -> None:
    """A run of several steps is given up after as many attempts of one of them, whatever the others took."""
    recovery = await _recovery_of(sqlite_store, SystemClock())
    run = await running(sqlite_store, until=0, epoch=epoch, settled_epoch=settled)
    (reference,) = await recovery.abandoned(held=())
    taken = await recovery.claim(reference, lambda: lease("w2", 60))
    found = await sqlite_store.read(run.owner, lambda tx: tx.runs.get(run.id))
    assert found is not None
    if epoch - settled < QUICK.run_attempts:
        assert taken == found == replace(run, epoch=epoch + 1, lease=lease("w2", 60))
        return
    assert taken is None
    assert found.state is RunState.FAILED
    assert found.error is not None
    assert found.error.message.startswith(f"the run was begun {epoch - settled} times ")


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store that nobody works on."""
    async with open_store(f"sqlite+aiosqlite:///{tmp_path / 'parley.db'}", feed=LocalFeed()) as store:
        yield store


async def test_a_worker_whose_lease_was_taken_writes_nothing_any_more(tmp_path: Path) -> None:
    gate = Gate()
    slow = ScriptedProvider()
    slow.script("old", gate, " stale")
    quick = ScriptedProvider(default=("new",))
    async with open_house(tmp_path, slow) as paused:
        await paused.threads.create(ANNA, name="", key="talk")
        run = await paused.send("first")
        await gate.reached()
        await paused.store.write_system(lambda tx: tx.void_leases())
        async with open_house(tmp_path, quick) as other:
            assert (await other.ended(run)).state is RunState.COMPLETED
            gate.open()
            await slow.idle()
            assert await other.said() == [("user", "first", "COMPLETE"), ("assistant", "new", "COMPLETE")]
    check_invariants(tmp_path / "house.db")
