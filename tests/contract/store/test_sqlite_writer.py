"""The writer of the SQLite file: what is committed together, skipped, refused and finished."""

import asyncio
import stat
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite import SqliteStore
from server.domain.conversation import Conversation
from server.domain.errors import StoreUnavailable
from server.domain.events import AttemptReset, Event
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, stored


class BatchFeed(LocalFeed):
    """Keeps what was published together."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Event]] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.batches.append(list(events))


class Gate:
    """A unit that holds the writer until it is opened."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._reached = threading.Event()
        self._opened = threading.Event()

    async def unit(self, tx: Transaction) -> None:
        """Append a message, then wait in the writer's thread."""
        await tx.messages.append(message(self._talk, "gate"))
        self._reached.set()
        self._opened.wait(timeout=30)

    async def reached(self) -> None:
        """Wait until the unit has begun."""
        await asyncio.to_thread(self._reached.wait, 30)

    def open(self) -> None:
        """Let the unit end."""
        self._opened.set()


async def _texts(store: Store, talk: Conversation) -> list[str]:
    return [item.content for item in await store.read(ALICE, lambda tx: tx.messages.history(talk.id))]


def _append(store: Store, talk: Conversation, text: str) -> asyncio.Task[Any]:
    async def unit(tx: Transaction) -> None:
        await tx.messages.append(message(talk, text))
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))

    return asyncio.create_task(store.write(ALICE, unit))


async def test_what_arrives_while_a_batch_is_written_is_committed_and_told_together(sqlite_path: Path) -> None:
    feed, talk = BatchFeed(), conversation()
    async with SqliteStore(sqlite_path, feed=feed) as store:
        await stored(store, talk)
        gate = Gate(talk)
        first = asyncio.create_task(store.write(ALICE, gate.unit))
        await gate.reached()
        others = [_append(store, talk, str(number)) for number in range(10)]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *others)
    assert [len(batch) for batch in feed.batches] == [10]


async def test_a_batch_has_a_limit(sqlite_path: Path) -> None:
    feed, talk = BatchFeed(), conversation()
    async with SqliteStore(sqlite_path, feed=feed, batch_limit=4) as store:
        await stored(store, talk)
        gate = Gate(talk)
        first = asyncio.create_task(store.write(ALICE, gate.unit))
        await gate.reached()
        others = [_append(store, talk, str(number)) for number in range(10)]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(first, *others)
    assert [len(batch) for batch in feed.batches] == [4, 4, 2]


async def test_a_unit_whose_caller_has_gone_before_it_began_is_not_run(sqlite_path: Path) -> None:
    talk = conversation()
    async with SqliteStore(sqlite_path, feed=LocalFeed()) as store:
        await stored(store, talk)
        gate = Gate(talk)
        first = asyncio.create_task(store.write(ALICE, gate.unit))
        await gate.reached()
        abandoned, kept = _append(store, talk, "abandoned"), _append(store, talk, "kept")
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        gate.open()
        await asyncio.gather(first, kept)
        assert await _texts(store, talk) == ["gate", "kept"]


async def test_a_unit_that_has_begun_is_committed_though_its_caller_goes(sqlite_path: Path) -> None:
    talk = conversation()
    async with SqliteStore(sqlite_path, feed=LocalFeed()) as store:
        await stored(store, talk)
        gate = Gate(talk)
        caller = asyncio.create_task(store.write(ALICE, gate.unit))
        await gate.reached()
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        gate.open()
        await _append(store, talk, "next")
        assert await _texts(store, talk) == ["gate", "next"]


async def test_beyond_its_capacity_the_store_is_unavailable_and_then_available_again(sqlite_path: Path) -> None:
    talk = conversation()
    async with SqliteStore(sqlite_path, feed=LocalFeed(), capacity=2) as store:
        await stored(store, talk)
        gate = Gate(talk)
        first = asyncio.create_task(store.write(ALICE, gate.unit))
        await gate.reached()
        second = _append(store, talk, "second")
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await _append(store, talk, "third")
        gate.open()
        await asyncio.gather(first, second)
        await _append(store, talk, "fourth")
        assert await _texts(store, talk) == ["gate", "second", "fourth"]


async def test_closing_answers_what_was_taken_and_takes_no_more(sqlite_path: Path) -> None:
    talk = conversation()
    store = SqliteStore(sqlite_path, feed=LocalFeed())
    async with store:
        await stored(store, talk)
        gate = Gate(talk)
        callers = [asyncio.create_task(store.write(ALICE, gate.unit))]
        await gate.reached()
        callers += [_append(store, talk, str(number)) for number in range(5)]
        await asyncio.sleep(0)
        gate.open()
    assert await asyncio.gather(*callers) == [None] * 6
    with pytest.raises(StoreUnavailable):
        await store.write(ALICE, lambda tx: tx.conversations.get("k"))
    with pytest.raises(StoreUnavailable):
        await store.read(ALICE, lambda tx: tx.conversations.get("k"))
    async with SqliteStore(sqlite_path, feed=LocalFeed()) as again:
        assert len(await _texts(again, talk)) == 6


async def test_more_readers_than_connections_take_turns(sqlite_path: Path) -> None:
    talk = conversation()
    async with SqliteStore(sqlite_path, feed=LocalFeed(), readers=2) as store:
        await stored(store, talk)
        found = await asyncio.gather(
            *(store.read(ALICE, lambda tx: tx.conversations.by_id(talk.id)) for _ in range(50))
        )
    assert found == [talk] * 50


async def test_the_file_and_its_journals_are_the_users_alone(sqlite_path: Path, sqlite_url: str) -> None:
    """`open_store` sees to it, also for a file that was there before."""
    await asyncio.to_thread(sqlite_path.chmod, 0o644)
    async with open_store(sqlite_url, feed=LocalFeed()) as opened:
        await stored(opened, conversation())
        files = sorted(sqlite_path.parent.glob("parley.db*"))
        assert [path.name for path in files] == ["parley.db", "parley.db-shm", "parley.db-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_a_busy_loop_gives_way_to_the_writer_while_the_store_is_open(sqlite_path: Path) -> None:
    before = sys.getswitchinterval()
    async with SqliteStore(sqlite_path, feed=LocalFeed()):
        assert sys.getswitchinterval() <= 0.0005
    assert sys.getswitchinterval() == before
