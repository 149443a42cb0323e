"""The HTTP server stops with grace: what is under way may end, or is told why it does not."""

import asyncio
import json

import httpx
import pytest

from gateway.config import GatewayConfig
from tests.support.toy.served import Served, serving

HELD = GatewayConfig(stream_hold=0.1)


async def under_way(served: Served, count: int = 1) -> None:
    """Return once so many calls have reached the servicer."""
    async with asyncio.timeout(5):
        while served.record.calls < count:
            await served.client.get("/healthz")


async def test_a_call_under_way_ends_within_the_grace(kind: str) -> None:
    async with serving(kind, grace=10) as served:
        call = asyncio.create_task(served.client.get("/v1/act?delay=0.3"))
        await under_way(served)
        await served.http.stop()
        reply = await call
    assert (reply.status_code, reply.headers["connection"]) == (200, "close")


async def test_a_call_beyond_the_grace_is_503(kind: str) -> None:
    async with serving(kind, grace=0.05) as served:
        call = asyncio.create_task(served.client.get("/v1/act?linger=true"))
        await under_way(served)
        await served.http.stop()
        reply = await call
        assert (reply.status_code, reply.json()["why"]) == (503, "STOPPING")
        await asyncio.wait_for(served.record.cancelled.wait(), 5)


@pytest.mark.parametrize("events", [0, 2])
async def test_a_stream_beyond_the_grace_ends_with_an_error_event(kind: str, events: int) -> None:
    async with (
        serving(kind, config=HELD, grace=0.05) as served,
        served.client.stream("GET", f"/v1/stream?events={events}&linger=true") as reply,
    ):
        stop = asyncio.create_task(served.http.stop())
        text = (await reply.aread()).decode()
        await stop
        await asyncio.wait_for(served.record.cancelled.wait(), 5)
    assert text.count("event: tick") == events
    assert json.loads(text.rpartition("event: error\ndata: ")[2])["why"] == "STOPPING"


async def test_new_connections_are_refused_and_idle_ones_closed(kind: str) -> None:
    async with serving(kind) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: toy\r\n\r\n")
        await reader.readuntil(b'"ok"}')
        port = served.port
        await served.http.stop()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with pytest.raises(httpx.ConnectError):
            await served.client.get(f"http://127.0.0.1:{port}/healthz")


async def test_a_reader_that_stands_still_does_not_hold_up_the_stop(kind: str) -> None:
    async with serving(kind, config=HELD, grace=0.05) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=2**16)
        writer.write(b"GET /v1/stream?events=4000&size=20000 HTTP/1.1\r\nhost: toy\r\n\r\n")
        await under_way(served)
        await asyncio.wait_for(served.http.stop(), 10)
        writer.close()


async def test_stopping_twice_is_stopping_once(kind: str) -> None:
    async with serving(kind) as served:
        await served.http.stop()
        await served.http.stop()
