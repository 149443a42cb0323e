"""Several processes on one PostgreSQL hear of one another at once, and manage when they do not.

Heartbeats are so rare here that whatever happens in time happens because somebody was told.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.client import Client, Viewer
from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.databases import Databases, PostgresDatabase
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, ScriptedUpstream, answer

pytestmark = pytest.mark.timeout(180)

_PATIENCE_SECONDS = 60
_SLEEPY = {
    "PARLEY_LEASE_SECONDS": "7200",
    "PARLEY_LEASE_HEARTBEAT_SECONDS": "3600",
    "PARLEY_STREAM_HEARTBEAT_SECONDS": "3600",
    "PARLEY_GRACE_SECONDS": "0.1",
}
_NEWS_LINES = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'parley news'"


class Pair:
    """Two processes, a client that can talk to either, and a thread `talk`."""

    def __init__(self, servers: Cluster, client: Client, upstream: ScriptedUpstream) -> None:
        self.servers = servers
        self.client = client
        self.upstream = upstream

    @property
    def here(self) -> Node:
        """Where messages are sent."""
        return self.servers.nodes[0]

    @property
    def there(self) -> Node:
        """The other one; viewers watch here."""
        return self.servers.nodes[1]

    async def send(self) -> str:
        """Send a message; returns its run."""
        body = {"conversation_key": "talk", "user_message": {"content": "hi"}}
        return str((await self.client.call("send-message", body, node=self.here))["runId"])

    async def run(self, run_id: str, node: Node) -> Any:
        """A run as a process sees it."""
        return await self.client.call("get-run", {"run_id": run_id}, node=node)

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[Viewer]:
        """Somebody who watches on the other process."""
        self.servers.turn_to(self.there)
        viewer = Viewer(self.client, self.servers, "talk")
        try:
            yield viewer
        finally:
            await viewer.close()


@pytest.fixture
async def pair(tmp_path: Path, postgres: PostgresDatabase, nursery: Nursery) -> AsyncIterator[Pair]:
    async with (
        ScriptedUpstream(default=answer("again")) as upstream,
        cluster(
            folder=tmp_path,
            database=postgres,
            upstream=upstream.base_url,
            shared=True,
            nursery=nursery,
            settings=_SLEEPY,
        ) as servers,
    ):
        await asyncio.gather(servers.start("here"), servers.start("there"))
        client = Client(servers, postgres.key)
        made = Pair(servers, client, upstream)
        await client.call("create-thread", {"conversation_key": "talk", "name": ""}, node=made.here)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                yield made
        finally:
            await client.close()
    await postgres.check()


async def test_a_viewer_sees_what_another_process_stores_as_it_happens(pair: Pair) -> None:
    gate, last = Gate(), Gate()
    pair.upstream.script(answer("one ", gate, "two ", last, "three"))
    async with pair.viewer() as viewer:
        run = await pair.send()
        await viewer.saw(lambda seen: "one " in _text(seen))
        gate.open()
        await viewer.saw(lambda seen: "two " in _text(seen))
        last.open()
        await viewer.saw(lambda seen: bool(seen) and seen[-1].name == "run_ended")
        seen = list(viewer.seen)
    for node in (pair.here, pair.there):
        body, end = {"run_id": run}, seen[-1].id
        for after in range(end):
            rest = await pair.client.replay(node, "stream-run", body, until=lambda one: one.id == end, after=after)  # noqa: B023 - called at once
            assert rest == seen[after:]
    await pair.servers.end()


async def test_cancelling_elsewhere_stops_the_request_to_the_model(pair: Pair) -> None:
    pair.upstream.script(answer("one ", Gate(), "never"))
    run = await pair.send()
    await pair.upstream.requested()
    await pair.client.call("cancel-run", {"run_id": run}, node=pair.there)
    await pair.upstream.gave_up()
    assert (await pair.run(run, pair.here))["status"] == "CANCELLED"
    await pair.servers.end()


async def test_what_a_stopping_process_hands_back_is_taken_up_by_the_other(pair: Pair) -> None:
    pair.upstream.script(answer("one ", Gate(), "never"))
    async with pair.viewer() as viewer:
        run = await pair.send()
        await viewer.saw(lambda seen: "one " in _text(seen))
        assert await asyncio.to_thread(pair.here.service.stop, signal.SIGTERM) == 0
        await viewer.saw(lambda seen: bool(seen) and seen[-1].name == "run_ended")
        assert [one.name for one in viewer.seen if one.name == "attempt_reset"] == ["attempt_reset"]
    ended = await pair.run(run, pair.there)
    assert (ended["status"], ended["attempt"]) == ("COMPLETED", 2)
    await pair.servers.end()


async def test_a_lost_line_between_processes_is_replaced_by_looking_and_opened_again(
    pair: Pair, databases: Databases
) -> None:
    gate, last = Gate(), Gate()
    pair.upstream.script(answer("one ", gate, "two ", last, "three"))
    async with pair.viewer() as viewer:
        await pair.send()
        await viewer.saw(lambda seen: "one " in _text(seen))
        # At this moment nobody is told of anything.
        await asyncio.to_thread(databases.server.execute, _NEWS_LINES)
        gate.open()
        await viewer.saw(lambda seen: "two " in _text(seen))
        last.open()
        await viewer.saw(lambda seen: bool(seen) and seen[-1].name == "run_ended")
        assert [one.id for one in viewer.seen] == list(range(1, len(viewer.seen) + 1))
    await pair.servers.end()


def _text(seen: list[Any]) -> str:
    return "".join(one.raw for one in seen if one.name == "text_delta")
