"""What arrives on a connection before, or instead of, a good request: never a 5xx, a hang or an unbounded buffer."""

import asyncio
import json
import socket
import time

import pytest

from gateway.config import GatewayConfig
from tests.integration.gateway.conftest import IMPATIENT
from tests.support.toy.served import Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def exchange(served: Served, *pieces: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
    """Send the pieces on a new connection, read until it closes or the reply is whole; give status, headers, body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        return int(first.split()[1]), headers, body
    finally:
        writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/act HTTP/9.9\r\n\r\n",
        b"GET /v1/act HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /v1/act HTTP/1.1\r\nx\x00y: z\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/act HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_400(served: Served, raw: bytes) -> None:
    status, headers, body = await exchange(served, raw)
    assert (status, headers[b"content-type"]) in ((400, b"application/json"), (404, b"application/json"))
    assert isinstance(json.loads(body), dict)


async def test_a_malformed_head_is_answered_in_the_dialect_of_its_path(served: Served) -> None:
    status, headers, body = await exchange(served, b"GET /quirks/echo HTTP/1.1\r\nbad header\r\n\r\n")
    assert (status, json.loads(body)) == (400, {"detail": "this is no valid HTTP request"})
    assert len(headers[b"x-request-id"]) == 32


async def test_an_endless_head_is_431(served: Served) -> None:
    filler = b"x-filler: " + b"x" * 60_000
    status, headers, _ = await exchange(served, b"GET /v1/act HTTP/1.1\r\n", *[filler] * 40)
    assert (status, headers[b"connection"]) == (431, b"close")


async def test_too_many_headers_are_431(served: Served) -> None:
    many = b"".join(b"x-%d: y\r\n" % number for number in range(70))
    status, _, body = await exchange(served, b"GET /quirks/echo HTTP/1.1\r\n" + many + b"\r\n")
    assert (status, list(json.loads(body))) == (431, ["detail"])


@pytest.mark.asyncio(loop_scope="function")
async def test_a_head_that_never_ends_is_408(impatient: Served) -> None:
    status, headers, _ = await exchange(impatient, b"GET /v1/act HTTP/1.1\r\nhost:")
    assert (status, headers[b"connection"]) == (408, b"close")


@pytest.mark.asyncio(loop_scope="function")
async def test_a_second_head_that_never_ends_is_408(impatient: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b'"ok"}')
    writer.write(b"GET /heal")
    async with asyncio.timeout(10):
        assert b" 408 " in await reader.readline()
        await reader.read()
    writer.close()


async def test_a_connection_too_many_is_503_and_room_is_made_again() -> None:
    async with serving("in_process", config=GatewayConfig(connection_limit=2)) as limited:
        held = [await asyncio.open_connection("127.0.0.1", limited.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert b" 200 " in await reader.readline()
        status, headers, body = await exchange(limited)
        assert (status, headers[b"connection"], headers[b"retry-after"]) == (503, b"close", b"1")
        assert b"TOO_MANY_CONNECTIONS" in body
        held[0][1].close()
        async with asyncio.timeout(10):
            while (await exchange(limited, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 503:
                pass
        held[1][1].close()


@pytest.mark.asyncio(loop_scope="function")
async def test_a_connection_that_says_nothing_is_closed(impatient: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize("turns", [0, 2])
async def test_a_pause_of_the_gateway_itself_is_not_the_clients_slowness(impatient: Served, turns: int) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        time.sleep(1.5 * IMPATIENT.head_timeout)  # the whole loop stands still  # noqa: ASYNC251
        client.settimeout(10)
        assert await asyncio.to_thread(client.recv, 12) == b"HTTP/1.1 200"


@pytest.mark.asyncio(loop_scope="function")
async def test_a_body_that_never_ends_is_408(impatient: Served) -> None:
    head = b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    status, _, body = await exchange(impatient, head, b"{")
    assert (status, json.loads(body)["why"]) == (408, "BODY_TIMEOUT")


async def test_a_body_over_the_limit_is_413_though_its_length_is_unknown(served: Served) -> None:
    head = b"POST /v1/act HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n"
    status, _, body = await exchange(served, head, *[chunk] * 5, b"0\r\n\r\n")
    assert (status, json.loads(body)["why"]) == (413, "BODY_TOO_LARGE")


async def test_a_client_that_waits_for_100_continue_is_not_asked_for_a_body_over_the_limit(served: Served) -> None:
    head = b"POST /v1/act HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n"
    status, headers, _ = await exchange(served, head)
    assert (status, headers[b"connection"]) == (413, b"close")


async def test_a_body_is_measured_after_decompression(served: Served) -> None:
    import gzip

    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    head = b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    status, _, _ = await exchange(served, head, bomb)
    assert status == 413


async def test_a_client_that_leaves_in_mid_body_makes_no_call(served: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await served.client.get("/healthz")).status_code == 200
    assert served.record.calls == 0


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    first = b"GET /v1/act?delay=0.1 HTTP/1.1\r\nhost: x\r\n\r\n"
    writer.write(first + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(10):
        replies = await reader.readuntil(b'{"status":"ok"}')
    assert replies.index(b"timeRemaining") < replies.index(b'{"status":"ok"}')
    writer.close()


async def test_an_early_refusal_can_be_read_while_the_body_is_still_sent(served: Served) -> None:
    head = b"POST /nothing HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (3 * 2**20)
    status, headers, _ = await exchange(served, head, *[b" " * 2**20] * 3)
    assert status == 404
    assert b"connection" not in headers
