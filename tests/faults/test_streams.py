"""Streams under torture: whoever is cut, wherever, however often, goes on with exactly the next byte.

    TORTURE=SEED pytest -m '' tests/faults/test_streams.py

plays another seed than the usual one.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import grpc.aio
import httpx
import pytest
from parley.v1.event_pb2 import Event
from parley.v1.run_pb2 import StreamRunRequest, WatchThreadRequest
from parley.v1.run_pb2_grpc import RunServiceStub

from tests.faults.client import GATEWAY, Client, Seen
from tests.faults.cluster import Cluster, cluster
from tests.faults.databases import Databases
from tests.support.nursery import Nursery
from tests.support.upstream import Pause, ScriptedUpstream, answer
from tests.support.upstream.scripts import Part

pytestmark = pytest.mark.timeout(600)

_SEED = int(os.environ.get("TORTURE", "1"))
_WORDS = 300
_VIEWERS = 12
_LONG = {"PARLEY_QUEUE_PER_CONVERSATION": "100"}


class House:
    """A server, a thread `talk`, and the stubs of both transports."""

    def __init__(self, servers: Cluster, client: Client, upstream: ScriptedUpstream, stub: RunServiceStub) -> None:
        self.servers = servers
        self.client = client
        self.upstream = upstream
        self.stub = stub

    async def whole(self, run: str) -> list[Seen]:
        """The log of `talk` up to the end of a run, read at one go."""
        body = {"conversation_key": "talk"}
        return await self.client.replay(
            self.servers.current, "watch-thread", body, until=lambda seen: seen.name == "run_ended" and run in seen.raw
        )


@pytest.fixture
async def house(tmp_path: Path, databases: Databases, nursery: Nursery) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream())
        database = await databases.sqlite(tmp_path)
        servers = await stack.enter_async_context(
            cluster(
                folder=tmp_path,
                database=database,
                upstream=upstream.base_url,
                shared=False,
                nursery=nursery,
                settings=_LONG,
            )
        )
        servers.turn_to(await servers.start("server"))
        client = Client(servers, database.key)
        stack.push_async_callback(client.close)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(servers.current.service.grpc))
        keyed = _Keyed(channel, database.key)
        await client.call("create-thread", {"conversation_key": "talk", "name": ""})
        yield House(servers, client, upstream, RunServiceStub(keyed))  # type: ignore[arg-type]  # duck-typed


class _Keyed:
    """A channel whose streams carry a key."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self._channel = channel
        self._metadata = (("x-api-key", key),)

    def unary_unary(self, *arguments: Any, **options: Any) -> Any:
        return self._channel.unary_unary(*arguments, **options)

    def unary_stream(self, *arguments: Any, **options: Any) -> Any:
        call = self._channel.unary_stream(*arguments, **options)
        return lambda request: call(request, metadata=self._metadata)


class Sse:
    """A viewer that leaves and comes back over HTTP."""

    def __init__(self, house: House, route: str, body: dict[str, Any]) -> None:
        self._house = house
        self._route = route
        self._body = body
        self.seen: list[Seen] = []

    async def look(self, patience: int) -> bool:
        """Read so many events on, or to the end; whether that is reached."""
        wanted = len(self.seen) + patience
        stop = lambda seen: seen.name == "run_ended" or len(self.seen) >= wanted  # noqa: E731 - told to the reader
        await self._house.client.read(self._house.servers.current, self._route, self._body, self.seen, stop)
        return bool(self.seen) and self.seen[-1].name == "run_ended"

    def check(self, whole: list[Seen]) -> None:
        """What was seen is the log, byte by byte."""
        assert self.seen == whole


class Grpc:
    """A viewer that leaves and comes back over gRPC."""

    def __init__(self, house: House, run: str, *, whole_thread: bool) -> None:
        self._house = house
        self._run = run
        self._whole_thread = whole_thread
        self.seen: list[Event] = []

    async def look(self, patience: int) -> bool:
        """As `Sse.look`."""
        after, wanted = (self.seen[-1].sequence if self.seen else 0), len(self.seen) + patience
        call: Any = (
            self._house.stub.WatchThread(WatchThreadRequest(conversation_key="talk", after_sequence=after))
            if self._whole_thread
            else self._house.stub.StreamRun(StreamRunRequest(run_id=self._run, after_sequence=after))
        )
        async for event in call:
            if event.sequence:
                self.seen.append(event)
            if event.HasField("run_ended") or len(self.seen) >= wanted:
                break
        call.cancel()
        return bool(self.seen) and self.seen[-1].HasField("run_ended")

    def check(self, whole: list[Seen]) -> None:
        """The same events in the same order, with the same text."""
        assert [event.sequence for event in self.seen] == [seen.id for seen in whole]
        for event, seen in zip(self.seen, whole, strict=True):
            assert event.WhichOneof("payload") == seen.name
            assert event.text_delta.text in seen.raw


@pytest.mark.parametrize("resumes", [150, pytest.param(4000, marks=pytest.mark.faults)])
async def test_random_departures_and_returns_lose_and_repeat_nothing(house: House, resumes: int) -> None:
    random = Random(_SEED)
    words: list[Part] = []
    for number in range(_WORDS):
        words += [f"w{number} ", Pause(0.005)]
    house.upstream.script(answer(*words))
    run = await house.client.send("talk", "hi")
    looks = 0

    async def roam(viewer: Sse | Grpc) -> None:
        nonlocal looks
        while not await viewer.look(random.choice((1, 1, 2, 5, 20, 60))):
            looks += 1

    def new_viewer(number: int) -> Sse | Grpc:
        kinds = (
            Sse(house, "watch-thread", {"conversation_key": "talk"}),
            Sse(house, "stream-run", {"run_id": run}),
            Grpc(house, run, whole_thread=True),
            Grpc(house, run, whole_thread=False),
        )
        return kinds[number % len(kinds)]

    viewers: list[Sse | Grpc] = []
    # The first of them look on while the answer is written, the others when it stands in the log.
    while looks < resumes:
        more = [new_viewer(number) for number in range(_VIEWERS)]
        await asyncio.gather(*(roam(viewer) for viewer in more))
        viewers += more
    whole = await house.whole(run)
    assert whole[-1].name == "run_ended"
    assert len(whole) > 20, "an answer in so few pieces proves little"
    for viewer in viewers:
        viewer.check(whole)


async def test_a_cursor_from_the_future_is_refused_by_every_stream(house: House) -> None:
    house.upstream.script(answer("short"), answer("short"))
    run = await house.client.send("talk", "hi")
    last = (await house.whole(run))[-1].id
    await house.client.call("create-thread", {"conversation_key": "other", "name": ""})
    other = await house.client.send("other", "hi")
    bodies = {
        "stream-run": {"run_id": run, "after_sequence": last + 1},
        "watch-thread": {"conversation_key": "talk", "after_sequence": last + 1},
    }
    for route, body in bodies.items():
        refused = await house.client.reply(route, body)
        assert refused is not None
        assert (refused.status_code, refused.json()["error"]["details"][0]["reason"]) == (400, "CURSOR_IN_FUTURE")
    # A cursor of a longer conversation is one of the future in a shorter one.
    await house.client.replay(
        house.servers.current, "stream-run", {"run_id": other}, until=lambda seen: seen.name == "run_ended"
    )
    await house.client.call("create-thread", {"conversation_key": "empty", "name": ""})
    foreign = await house.client.reply("watch-thread", {"conversation_key": "empty", "after_sequence": last})
    assert foreign is not None
    assert (foreign.status_code, foreign.json()["error"]["details"][0]["reason"]) == (400, "CURSOR_IN_FUTURE")


async def test_readers_that_stand_still_cost_no_memory_and_catch_up(house: House) -> None:
    readers, runs, piece, pieces = 16, 20, "x" * 4_000, 60
    parts: list[Part] = [piece, Pause(0.002)]
    house.upstream.script(*([answer(*(parts * pieces))] * runs))
    pid = house.servers.current.service.process.pid
    # Prompts that do not grow: what is measured is the readers.
    window = {"conversation_key": "talk", "context_management_settings": {"max_history_messages": 1}}
    await house.client.call("update-context-management-settings", window)
    async with AsyncExitStack() as stack:
        # One connection each, read by nobody until the answer is whole.
        streams = [await stack.enter_async_context(_standing(house)) for _ in range(readers)]
        before = _resident_bytes(pid)
        sent = [await house.client.send("talk", f"hi {number}") for number in range(runs)]
        whole = await house.whole(sent[-1])
        grown = _resident_bytes(pid) - before
        # Every answer is told twice, in pieces and whole. What a reader may be behind by, on its way through the feed,
        # the stream and the socket, is a small part of that.
        everything = 2 * len(piece) * pieces * runs
        print(f"{grown / readers:.0f} bytes for each of {readers} readers that stand still before {everything} bytes")
        assert grown < readers * everything / 3
        for lines in streams[:2]:
            seen: list[str] = []
            async for line in lines:
                if line.startswith("id:"):
                    seen.append(line)
                if len(seen) == len(whole):
                    break
            assert seen == [f"id: {each.id}" for each in whole]


class _standing:  # noqa: N801 - used as a function
    """An open stream of `talk`; gives its lines."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> AsyncIterator[str]:
        # Little room in the kernel, so that the server notices.
        transport = httpx.AsyncHTTPTransport(socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)])
        http = await self._stack.enter_async_context(
            httpx.AsyncClient(transport=transport, headers=self._house.client.http.headers, timeout=60)
        )
        url = f"{self._house.servers.current.base}{GATEWAY}/watch-thread"
        reply: httpx.Response = await self._stack.enter_async_context(
            http.stream("POST", url, json={"conversation_key": "talk"})
        )
        assert reply.status_code == 200
        return reply.aiter_lines()

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("a process without memory")
