"""What breaks around the SQLite file: a killed process, a foreign lock, a full disk.

Acknowledged is stored, the rest is not, and the store goes on when the fault is over.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.store import open_store
from server.adapters.store.sqlite import SqliteStore
from server.domain.conversation import Conversation
from server.domain.errors import StoreUnavailable
from server.domain.events import AttemptReset
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, stored
from tests.contract.store.recording_feed import RecordingFeed

_ENDLESS_WRITER = """
import asyncio, sys
from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from tests.contract.store.builders import ALICE, conversation, message, stored

async def main() -> None:
    async with open_store(sys.argv[1], feed=LocalFeed()) as store:
        talk = conversation("talk")
        await stored(store, talk)
        async def send(number):
            while True:
                appended = await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
                print(appended.position, appended.id, flush=True)
        await asyncio.gather(*map(send, range(8)))

asyncio.run(main())
"""


def test_an_acknowledged_write_outlives_kill(sqlite_path: Path, sqlite_url: str) -> None:
    command = [sys.executable, "-c", _ENDLESS_WRITER, sqlite_url]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().split() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [
            line.split() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")
        ]

    async def positions() -> dict[str, str]:
        async with open_store(sqlite_url, feed=RecordingFeed()) as store:
            talk = await store.read(ALICE, lambda tx: tx.conversations.get("talk"))
            assert talk is not None
            found = await store.read(ALICE, lambda tx: tx.messages.history(talk.id))
            assert [item.position for item in found] == list(range(1, len(found) + 1))
            return {item.id: str(item.position) for item in found}

    found = asyncio.run(positions())
    assert len(acknowledged) >= 300
    assert {message_id: position for position, message_id in acknowledged}.items() <= found.items()
    with closing(sqlite3.connect(sqlite_path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def _foreign(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=5)


async def _append(store: Store, talk: Conversation, text: str = "x") -> None:
    async def unit(tx: Transaction) -> None:
        await tx.messages.append(message(talk, text))
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))

    await store.write(ALICE, unit)


async def _counts(store: Store, talk: Conversation) -> tuple[int, int]:
    async def unit(tx: Transaction) -> tuple[int, int]:
        return await tx.messages.count(talk.id), len(await tx.events.after(talk.id, 0, limit=9999))

    return await store.read(ALICE, unit)


async def test_a_foreign_lock_makes_writes_unavailable_and_leaves_reads(sqlite_path: Path) -> None:
    feed, talk = RecordingFeed(), conversation()
    async with SqliteStore(sqlite_path, feed=feed, busy_timeout=timedelta(milliseconds=50)) as store:
        await stored(store, talk)
        with closing(_foreign(sqlite_path)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            results = await asyncio.gather(*(_append(store, talk) for _ in range(9)), return_exceptions=True)
            assert all(isinstance(result, StoreUnavailable) for result in results)
            assert await _counts(store, talk) == (0, 0)
            foreign.execute("ROLLBACK")
        await _append(store, talk)
        assert await _counts(store, talk) == (1, 1)
    assert len(feed.published) == 1


async def test_a_write_waits_for_a_foreign_lock_that_is_given_up_in_time(sqlite_path: Path) -> None:
    talk = conversation()
    async with SqliteStore(sqlite_path, feed=RecordingFeed(), busy_timeout=timedelta(seconds=30)) as store:
        await stored(store, talk)
        with closing(_foreign(sqlite_path)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(_append(store, talk))
            assert await _counts(store, talk) == (0, 0)
            assert not waiting.done()
            foreign.execute("COMMIT")
            await waiting
        assert await _counts(store, talk) == (1, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three mebibytes, of which an empty store takes one, while it is made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)


async def test_a_full_disk_acknowledges_nothing_it_cannot_keep(small_disk: Path) -> None:
    feed, talk = RecordingFeed(), conversation()
    async with open_store(f"sqlite+aiosqlite:///{small_disk}/parley.db", feed=feed) as store:
        await stored(store, talk)
        acknowledged = 0
        results: list[BaseException | None] = []
        while not any(results):
            results = await asyncio.gather(
                *(_append(store, talk, "x" * 2000) for _ in range(8)), return_exceptions=True
            )
            acknowledged += results.count(None)
        failures = [result for result in results if result is not None]
        assert all(isinstance(failure, StoreUnavailable) for failure in failures)
        assert "disk" in str(failures[0])
        assert await _counts(store, talk) == (acknowledged, acknowledged)
        with pytest.raises(StoreUnavailable):
            await _append(store, talk, "x" * 100_000)

        await asyncio.to_thread(_enlarge, small_disk)
        await _append(store, talk, "x" * 100_000)
        assert await _counts(store, talk) == (acknowledged + 1, acknowledged + 1)
    assert len(feed.published) == acknowledged + 1
    with closing(sqlite3.connect(small_disk / "parley.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_disk_that_fills_up_inside_a_unit_does_the_same(small_disk: Path) -> None:
    """A transaction larger than SQLite's cache is written before it is committed."""
    talk = conversation()
    async with open_store(f"sqlite+aiosqlite:///{small_disk}/parley.db", feed=RecordingFeed()) as store:
        await stored(store, talk)
        large, small = await asyncio.gather(
            _append(store, talk, "x" * 6_000_000), _append(store, talk), return_exceptions=True
        )
        assert isinstance(large, StoreUnavailable)
        kept = 0 if isinstance(small, StoreUnavailable) else 1
        assert await _counts(store, talk) == (kept, kept)
        await _append(store, talk)
        assert await _counts(store, talk) == (kept + 1, kept + 1)


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    path.write_bytes(b"not a database, though long enough to be looked at " * 100)
    with pytest.raises(StoreUnavailable):
        async with open_store(f"sqlite+aiosqlite:///{path}", feed=RecordingFeed()):
            pass


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        async with open_store("sqlite+aiosqlite:////proc/none/parley.db", feed=RecordingFeed()):
            pass
