"""SystemClock tells UTC, never runs backwards and its sleep can be cancelled."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from server.adapters.system import SystemClock


def test_now_is_aware_and_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


def test_monotonic_never_goes_backwards() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


async def test_sleep_waits_at_least_its_time() -> None:
    clock = SystemClock()
    started = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - started >= 0.009


async def test_sleep_is_cancellable() -> None:
    sleeper = asyncio.create_task(SystemClock().sleep(3600))
    await asyncio.sleep(0)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
