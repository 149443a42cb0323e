"""Patience ends a wait that is too long, and nothing else."""

import asyncio
from datetime import timedelta

import pytest

from server.adapters.provider.patience import Patience, PatienceEnded

SHORT = timedelta(milliseconds=10)
LONG = timedelta(hours=1)


async def test_a_wait_in_time_gives_its_result() -> None:
    patience = Patience(LONG)
    assert await patience.wait(asyncio.sleep(0, "result")) == "result"
    patience.close()


async def test_a_wait_that_is_too_long_ends_and_cancels_what_it_waited_for() -> None:
    patience, cancelled = Patience(SHORT), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(PatienceEnded):
        await patience.wait(work())
    assert cancelled.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_time_outside_of_waits_interrupts_nobody_but_the_next_wait() -> None:
    patience = Patience(SHORT)
    await asyncio.sleep(2 * SHORT.total_seconds())
    with pytest.raises(PatienceEnded):
        await patience.wait(asyncio.Event().wait())


async def test_putting_off_after_the_deadline_begins_anew() -> None:
    patience = Patience(SHORT)
    await asyncio.sleep(2 * SHORT.total_seconds())
    patience.put_off(LONG)
    assert await patience.wait(asyncio.sleep(0, "result")) == "result"
    patience.close()


async def test_a_deadline_that_was_put_off_holds_at_its_new_time() -> None:
    loop = asyncio.get_running_loop()
    patience = Patience(SHORT)
    patience.put_off(5 * SHORT)
    begun = loop.time()
    with pytest.raises(PatienceEnded):
        await patience.wait(asyncio.Event().wait())
    assert loop.time() - begun >= 4 * SHORT.total_seconds()


async def test_a_nearer_deadline_replaces_a_farther_one() -> None:
    patience = Patience(LONG)
    patience.put_off(SHORT)
    with pytest.raises(PatienceEnded):
        await patience.wait(asyncio.Event().wait())


async def test_cancelling_from_outside_stays_a_cancellation() -> None:
    waiting = asyncio.Event()

    async def wait() -> None:
        patience = Patience(LONG)
        try:
            waiting.set()
            await patience.wait(asyncio.Event().wait())
        finally:
            patience.close()

    task = asyncio.create_task(wait())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_what_the_work_raises_passes_through() -> None:
    async def work() -> None:
        raise LookupError("mine")

    patience = Patience(LONG)
    with pytest.raises(LookupError, match="mine"):
        await patience.wait(work())
    patience.close()
