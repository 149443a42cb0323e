"""Memories are taken from what was said once, whatever breaks off whoever takes them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from server import failpoint
from server.domain.ids import RunId
from server.domain.memory import EXTRACTION_LEASE
from server.domain.memory_errors import EmbedderUnavailable
from server.domain.run import Run
from tests.integration.engine.test_memories import BOTH, FACTS, Remembering, answered, stored, until, wanted
from tests.support.house import ANNA, House, open_house
from tests.support.set_clock import SetClock
from tests.support.upstream.gate import Gate

STEPS = {
    "extraction.asking": 1,
    "extraction.keeping": 2,
    "extraction.kept": 1,
    "extraction.remembering": 1,
    "extraction.remembered": 1,
    "extraction.ending": 1,
}
"""How often the model is asked in all when one of them breaks off."""


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def provider() -> Remembering:
    return Remembering()


@pytest.fixture
async def house(tmp_path: Path, provider: Remembering, clock: SetClock) -> AsyncIterator[House]:
    async with open_house(tmp_path, provider, clock=clock) as opened:
        await opened.threads.create(ANNA, name="Talk", key="talk")
        await wanted(opened, BOTH)
        yield opened


@pytest.fixture
def trapped(monkeypatch: pytest.MonkeyPatch) -> dict[str, failpoint._Trap]:
    """Steps that are broken off."""
    traps: dict[str, failpoint._Trap] = {}
    monkeypatch.setattr(failpoint, "_ARMED", traps)
    return traps


async def run_of(house: House) -> Run:
    return (await house.runs.page(ANNA.owner, "talk", page_size=1, page_token="")).items[0]


async def is_pending(house: House, run_id: RunId) -> bool:
    return await house.store.read(ANNA.owner, lambda tx: tx.extractions.get(run_id)) is not None


async def reached(trap: failpoint._Trap) -> int:
    return trap.reached


async def nothing_works(house: House) -> bool:
    return not house.engine._extractions._tasks


@pytest.mark.parametrize("step", STEPS)
async def test_what_is_broken_off_is_gone_on_with_and_no_memory_comes_twice(
    house: House, provider: Remembering, clock: SetClock, trapped: dict[str, failpoint._Trap], step: str
) -> None:
    trapped[step] = failpoint._Trap("raise", 1)
    await answered(house, "I am Anna.")
    run = await run_of(house)
    await until(lambda: reached(trapped[step]), 1)
    await until(lambda: nothing_works(house), True)
    assert await is_pending(house, run.id)
    await house.engine._extractions.look()
    assert await nothing_works(house)
    clock.ahead += EXTRACTION_LEASE
    await house.engine._extractions.look()
    await until(lambda: is_pending(house, run.id), False)
    assert await stored(house) == FACTS
    assert len(provider.asked_for_memories) == STEPS[step]


async def test_another_process_goes_on_with_what_one_that_is_gone_has_left(
    tmp_path: Path, provider: Remembering, clock: SetClock
) -> None:
    gate = Gate()
    provider.facts = (gate,)
    async with open_house(tmp_path, provider, clock=clock) as first:
        await first.threads.create(ANNA, name="Talk", key="talk")
        await wanted(first, BOTH)
        await answered(first, "I am Anna.")
        await gate.reached()
        run = await run_of(first)
    clock.ahead += EXTRACTION_LEASE
    async with open_house(tmp_path, Remembering(), clock=clock) as second:
        await until(lambda: is_pending(second, run.id), False)
        assert await stored(second) == FACTS


async def test_nothing_is_noted_of_threads_that_want_no_memories_taken(tmp_path: Path, provider: Remembering) -> None:
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        await answered(house, "I am Anna.")
        assert not await is_pending(house, (await run_of(house)).id)


async def test_what_breaks_off_again_and_again_is_given_up(
    house: House, provider: Remembering, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise EmbedderUnavailable("away")

    monkeypatch.setattr(house.engine._extractions._embedder, "embed", fail)
    await answered(house, "I am Anna.")
    run = await run_of(house)
    await provider.requested(2)
    await until(lambda: nothing_works(house), True)
    for _ in range(3):
        assert await is_pending(house, run.id)
        clock.ahead += EXTRACTION_LEASE + timedelta(seconds=1)
        await house.engine._extractions.look()
        await until(lambda: nothing_works(house), True)
    clock.ahead += EXTRACTION_LEASE + timedelta(seconds=1)
    await house.engine._extractions.look()
    assert not await is_pending(house, run.id)
    assert await stored(house) == []
    assert len(provider.asked_for_memories) == 1
