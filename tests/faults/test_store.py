"""A store that cannot write for a while: what is acknowledged is kept, what is refused says so, and work goes on."""

import asyncio
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.client import Client
from tests.faults.cluster import cluster
from tests.faults.databases import Databases
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, ScriptedUpstream, answer

pytestmark = pytest.mark.timeout(240)

_LOCKED_SECONDS = 30
_LARGE = "x" * 50_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two mebibytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)


class Served:
    """One server on a file of its own, and its client."""

    def __init__(self, stack: AsyncExitStack, folder: Path, databases: Databases, nursery: Nursery) -> None:
        self._stack = stack
        self._folder = folder
        self._databases = databases
        self._nursery = nursery
        self.upstream = ScriptedUpstream(default=answer("all ", "right"))
        self.sent: dict[str, str] = {}
        """Run by conversation."""

    async def open(self, disk: Path) -> Client:
        """Start on a new file there."""
        await self._stack.enter_async_context(self.upstream)
        self.database = await self._databases.sqlite(disk)
        self.path = disk / "shared.db"
        self.servers = await self._stack.enter_async_context(
            cluster(
                folder=self._folder,
                database=self.database,
                upstream=self.upstream.base_url,
                shared=True,
                nursery=self._nursery,
            )
        )
        self.servers.turn_to(await self.servers.start("server"))
        self.client = Client(self.servers, self.database.key)
        self._stack.push_async_callback(self.client.close)
        return self.client

    async def try_to_send(self, key: str, content: str) -> httpx.Response:
        """One attempt to send a message to a new thread; an acknowledged one is remembered."""
        made = await self.client.reply("create-thread", {"conversation_key": key, "name": ""})
        assert made is not None
        if made.status_code != 200:
            return made
        body = {"conversation_key": key, "user_message": {"content": content}}
        sent = await self.client.reply("send-message", body)
        assert sent is not None
        if sent.status_code == 200:
            self.sent[key] = sent.json()["runId"]
        return sent

    async def settle(self) -> None:
        """Everything that was acknowledged is answered, and the store in order."""
        for key, run in self.sent.items():
            await self.client.replay(
                self.servers.current, "stream-run", {"run_id": run}, until=lambda seen: seen.name == "run_ended"
            )
            state = await self.client.call("conversation-state", {"conversation_key": key})
            assert [each["content"] for each in state["messages"]][1:] == ["all right"]
        await self.servers.end()
        assert "Traceback" not in self.servers.nodes[0].service.output
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # The file of a process whose database is named stands where it was put.
        await self.database.check()


@pytest.fixture
async def served(tmp_path: Path, databases: Databases, nursery: Nursery) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        yield Served(stack, tmp_path, databases, nursery)


def _reason(reply: httpx.Response) -> tuple[int, Any]:
    return reply.status_code, reply.json()["error"]["details"][0]["reason"]


async def test_a_full_disk_refuses_what_it_cannot_keep_and_serves_again_when_there_is_room(
    served: Served, small_disk: Path
) -> None:
    client = await served.open(small_disk)
    for number in range(200):
        refused = await served.try_to_send(f"thread-{number}", _LARGE)
        if refused.status_code != 200:
            break
    assert _reason(refused) == (503, "STORE_UNAVAILABLE")
    assert served.sent, "the disk was full before anything was stored"
    # What is there can be read.
    listed = (await client.call("list-threads", {}))["threads"]
    assert served.sent.keys() <= {each["conversationKey"] for each in listed}

    await asyncio.to_thread(_enlarge, small_disk)
    await served.settle()


@pytest.mark.faults
async def test_a_lock_that_a_foreign_process_holds_for_half_a_minute_is_outlived(
    served: Served, tmp_path: Path
) -> None:
    gate = Gate()
    client = await served.open(tmp_path)
    served.upstream.script(answer("all ", gate, "wrong"))
    assert (await served.try_to_send("speaking", "hi")).status_code == 200
    await served.upstream.requested()
    await gate.reached()
    program = f"""
import sqlite3, time
connection = sqlite3.connect({str(served.path)!r}, isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep({_LOCKED_SECONDS})
connection.execute("ROLLBACK")
"""
    locker = await asyncio.create_subprocess_exec(
        "python3", "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert locker.stdout is not None
    assert await locker.stdout.readline() == b"locked\n"
    gate.open()
    refused = await served.try_to_send("meanwhile", "hi")
    assert _reason(refused) == (503, "STORE_UNAVAILABLE")
    assert (await client.call("list-threads", {}))["threads"][0]["conversationKey"] == "speaking"
    assert await locker.wait() == 0
    # The answer could not be stored: its attempt was given up and begun again.
    assert (await served.try_to_send("afterwards", "hi")).status_code == 200
    await served.settle()
