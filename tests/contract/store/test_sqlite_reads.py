"""Where SQLite's reads are run: short ones at once, on the loop's thread; the others by the readers."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store.sqlite import SqliteStore
from server.domain.conversation import Conversation
from server.domain.errors import StoreUnavailable
from server.domain.message import Message
from server.ports.store import Transaction
from tests.contract.store.builders import ALICE, conversation, message, stored

_TALK = conversation("talk")
_MESSAGES = 50
_OFTEN = 10
"""How often a unit reads them to be sure that SQLite looks at the clock meanwhile."""


@pytest.fixture(params=[timedelta(hours=1), timedelta(0)], ids=["patient", "hasty"])
async def store(sqlite_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SqliteStore]:
    """One on which no read is too long, and one on which every read is that does not end at once."""
    async with SqliteStore(sqlite_path, feed=LocalFeed(), brief=request.param) as opened:
        await stored(opened, _TALK)

        async def fill(tx: Transaction) -> None:
            for _ in range(_MESSAGES):
                await tx.messages.append(message(_TALK))

        await opened.write(ALICE, fill)
        yield opened


class Reading:
    """A unit that remembers which threads have run it."""

    def __init__(self, times: int) -> None:
        self.threads: list[int] = []
        self._times = times

    async def __call__(self, tx: Transaction) -> list[Message]:
        self.threads.append(threading.get_ident())
        return [each for _ in range(self._times) for each in await tx.messages.history(_TALK.id)]


@pytest.mark.parametrize("store", [timedelta(hours=1)], indirect=True)
async def test_a_short_read_is_run_where_it_is_asked_for(store: SqliteStore) -> None:
    reading = Reading(times=_OFTEN)
    assert len(await store.read(ALICE, reading)) == _MESSAGES * _OFTEN
    assert reading.threads == [threading.get_ident()]


@pytest.mark.parametrize("store", [timedelta(0)], indirect=True)
async def test_a_long_read_is_broken_off_there_and_run_by_a_reader(store: SqliteStore) -> None:
    for _ in range(2):
        reading = Reading(times=_OFTEN)
        assert len(await store.read(ALICE, reading)) == _MESSAGES * _OFTEN
        here, elsewhere = reading.threads
        assert here == threading.get_ident() != elsewhere


@pytest.mark.parametrize("store", [timedelta(0)], indirect=True)
async def test_what_a_unit_makes_of_being_broken_off_is_not_its_answer(store: SqliteStore) -> None:
    broken_off = []

    async def unit(tx: Transaction) -> int:
        try:
            return len(await Reading(times=_OFTEN)(tx))
        except StoreUnavailable:
            broken_off.append(threading.get_ident())
            return 0

    assert await store.read(ALICE, unit) == _MESSAGES * _OFTEN
    assert broken_off == [threading.get_ident()]


async def test_what_a_unit_raises_is_raised_once(store: SqliteStore) -> None:
    threads = []

    async def unit(_: Transaction) -> Conversation:
        threads.append(threading.get_ident())
        raise LookupError

    with pytest.raises(LookupError):
        await store.read(ALICE, unit)
    assert threads == [threading.get_ident()]


async def test_a_read_sees_what_was_acknowledged_before_it(store: SqliteStore) -> None:
    async def send_and_look() -> bool:
        sent = await store.write(ALICE, lambda tx: tx.messages.append(message(_TALK)))
        return sent.id in {each.id for each in await store.read(ALICE, Reading(times=1))}

    assert all(await asyncio.gather(*(send_and_look() for _ in range(20))))


async def test_a_task_that_only_reads_lets_others_have_their_turn(store: SqliteStore) -> None:
    is_over = False

    async def read_on() -> int:
        reads = 0
        while not is_over:
            await store.read(ALICE, Reading(times=1))
            reads += 1
        return reads

    reading = asyncio.create_task(read_on())
    for _ in range(3):
        await asyncio.sleep(0)
    is_over = True
    assert await reading > 0


async def test_a_closed_store_reads_nothing(sqlite_path: Path) -> None:
    async with SqliteStore(sqlite_path, feed=LocalFeed()) as store:
        pass
    with pytest.raises(StoreUnavailable):
        await store.read(ALICE, Reading(times=1))
