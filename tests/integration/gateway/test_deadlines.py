"""Deadlines and departures: the same with both upstreams."""

import asyncio
import contextlib

import pytest

from gateway.config import GatewayConfig
from tests.support.toy.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "headers",
    [{"grpc-timeout": "100m"}, {"connect-timeout-ms": "100"}, {"grpc-timeout": "1H", "connect-timeout-ms": "100"}],
)
async def test_an_expired_deadline_is_504_and_cancels_the_servicer(served: Served, headers: dict[str, str]) -> None:
    reply = await served.client.get("/v1/act?linger=true", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(served.record.cancelled.wait(), 5)


async def test_a_servicer_that_swallows_its_cancellation_delays_nobody(served: Served) -> None:
    async with asyncio.timeout(5):
        reply = await served.client.get("/v1/act?linger=true&stubborn=60", headers={"grpc-timeout": "100m"})
    assert reply.status_code == 504


async def test_no_time_at_all_is_504_without_a_call(served: Served) -> None:
    reply = await served.client.get("/v1/act?linger=true", headers={"grpc-timeout": "0S"})
    assert reply.status_code == 504


async def remaining(served: Served, path: str, headers: dict[str, str] | None = None) -> float:
    reply = await served.client.post(path, json={}, headers=headers)
    seconds: float = reply.json()["timeRemaining"]
    return seconds


async def test_the_callers_deadline_reaches_the_servicer(served: Served) -> None:
    assert 4 < await remaining(served, "/v1/act", {"grpc-timeout": "5S"}) <= 5.1


async def test_a_method_has_a_default_of_its_own(served: Served) -> None:
    assert 0 < await remaining(served, "/v1/act:quickly") <= 1.1


async def test_the_gateway_has_a_default(served: Served) -> None:
    assert 55 < await remaining(served, "/v1/act") <= 60.1


async def test_the_cap_is_the_most(kind: str) -> None:
    async with serving(kind, config=GatewayConfig(timeout_cap=3)) as served:
        assert 2 < await remaining(served, "/v1/act", {"grpc-timeout": "1H"}) <= 3.1


@pytest.mark.parametrize("text", ["5", "S", "-1S", "123456789S", "1.5S", "5s"])
async def test_a_bad_grpc_timeout_is_400(served: Served, text: str) -> None:
    reply = await served.client.get("/v1/act", headers={"grpc-timeout": text})
    assert (reply.status_code, "grpc-timeout" in reply.text) == (400, True)


async def test_a_stream_has_no_deadline_by_default(kind: str) -> None:
    async with serving(kind, config=GatewayConfig(unary_timeout=0.05)) as served:
        reply = await served.client.get("/v1/stream?delay=0.2&events=1")
        assert "event: end" in reply.text


async def test_a_deadline_before_the_first_event_is_504(served: Served) -> None:
    reply = await served.client.get("/v1/stream?linger=true", headers={"grpc-timeout": "50m"})
    assert (reply.status_code, reply.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(served.record.cancelled.wait(), 5)


async def test_a_deadline_after_it_is_a_last_error_event(served: Served) -> None:
    reply = await served.client.get("/v1/stream?events=1&linger=true", headers={"grpc-timeout": "300m"})
    assert reply.status_code == 200
    assert (
        reply.text.rstrip()
        .rpartition("event: ")[2]
        .startswith('error\ndata: {"failed":true,"code":"DEADLINE_EXCEEDED"')
    )
    await asyncio.wait_for(served.record.cancelled.wait(), 5)


@pytest.mark.parametrize("path", ["/v1/act?linger=true", "/v1/stream?linger=true", "/v1/stream?events=1&linger=true"])
async def test_a_client_that_leaves_cancels_the_servicer_even_while_nothing_is_written(
    served: Served, path: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: toy\r\n\r\n".encode())
    await asyncio.wait_for(served.record.started.wait(), 5)
    if "events" in path:
        await reader.readuntil(b"event: tick")
    writer.close()
    await asyncio.wait_for(served.record.cancelled.wait(), 5)
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("path", ["/v1/act", "/v1/stream"])
async def test_a_client_that_leaves_after_a_body_for_which_reading_had_to_stop_cancels_the_servicer(
    served: Served, path: str
) -> None:
    body = b'{"linger":true,"payload":"%b"}' % (b"x" * 200_000)
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"POST {path} HTTP/1.1\r\nhost: toy\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    await asyncio.wait_for(served.record.started.wait(), 5)
    writer.close()
    await asyncio.wait_for(served.record.cancelled.wait(), 5)
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
