"""What every reply says to browsers, and for which hosts requests may be."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway.config import GatewayConfig
from gateway.edge.console import console_pages
from tests.support.toy.served import KINDS, Served, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROTECTION = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}


async def page(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"one 1\n"})


async def broken(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("broken")


def extra() -> dict[str, Any]:
    from google.protobuf import descriptor_pool

    pages: dict[str, Any] = dict(console_pages(pool=descriptor_pool.Default(), services=["toy.v1.Quirks"]))
    return pages | {"/metrics": page, "/broken": broken}


@pytest_asyncio.fixture(params=KINDS, scope="module", loop_scope="module")
async def protected(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    config = GatewayConfig(stream_hold=0.2, cors_origins=("https://app.example",))
    async with serving(request.param, config=config, extra=extra()) as served:
        yield served


REPLIES = [
    ("GET", "/v1/match/x", 200),
    ("HEAD", "/v1/samples", 200),
    ("POST", "/v1/samples", 201),
    ("GET", "/v1/act?size=5000", 200),
    ("GET", "/v1/act?code=5", 404),
    ("GET", "/v1/act?code=13", 500),
    ("GET", "/v1/act?crash=true", 500),
    ("GET", "/v1/act?unwritable=true", 500),
    ("GET", "/v1/act?nothing=1", 400),
    ("GET", "/v1/act?delay=9&code=0", 504),
    ("GET", "/nothing", 404),
    ("DELETE", "/v1/samples", 405),
    ("OPTIONS", "/v1/samples", 204),
    ("GET", "/v1/stream?events=2", 200),
    ("HEAD", "/v1/stream?events=2", 200),
    ("GET", "/v1/stream?events=0&code=5", 404),
    ("GET", "/v1/stream?events=1&code=5", 200),
    ("GET", "/quirks/echo", 200),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/broken", 500),
    ("GET", "/openapi.json", 200),
    ("GET", "/" + "x" * 9000, 414),
    ("POST", "/toy.v1.Calls/Act", 200),
    ("POST", "/toy.v1.Calls/Nothing", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), REPLIES)
async def test_every_reply_protects_its_reader(protected: Served, method: str, path: str, status: int) -> None:
    headers = {"grpc-timeout": "300m", "content-type": "application/json"} if "delay" in path else {}
    content = b"{}" if method == "POST" else None
    headers |= {"content-type": "application/json"} if content else {}
    reply = await protected.client.request(method, path, headers=headers, content=content)
    assert reply.status_code == status
    assert {name: reply.headers.get_list(name) for name in PROTECTION} == {n: [v] for n, v in PROTECTION.items()}
    assert not {"server", "x-powered-by", "strict-transport-security", "set-cookie"} & set(reply.headers)


async def test_the_page_for_people_has_a_policy_of_its_own_and_the_rest(protected: Served) -> None:
    reply = await protected.client.get("/docs")
    policies = reply.headers.get_list("content-security-policy")
    assert len(policies) == 1
    assert "script-src 'sha256-" in policies[0]
    assert "frame-ancestors 'none'" in policies[0]
    assert (reply.headers["x-content-type-options"], reply.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    unchanged = await protected.client.get("/docs", headers={"if-none-match": reply.headers["etag"]})
    assert (unchanged.status_code, unchanged.headers["x-content-type-options"]) == (304, "nosniff")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/act HTTP/1.1\r\n" + b"x: y\r\n" * 70 + b"\r\n", 431),
    ],
)
async def test_so_does_a_reply_to_what_is_no_request(protected: Served, raw: bytes, status: int) -> None:
    await assert_protected(protected, raw, status)


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/act HTTP/1.1\r\nhost:",
        b"POST /v1/act HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
    ],
)
async def test_so_does_a_reply_to_what_comes_too_slowly(impatient: Served, raw: bytes) -> None:
    await assert_protected(impatient, raw, 408)


async def assert_protected(served: Served, raw: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(raw)
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    writer.close()
    assert head[0].split()[1] == str(status)
    assert {f"{name}: {value}" for name, value in PROTECTION.items()} <= set(head)


async def test_browsers_are_told_to_come_back_with_tls_where_that_is_configured() -> None:
    async with serving("in_process", config=GatewayConfig(hsts_seconds=600)) as served:
        for path in ("/healthz", "/v1/match/x", "/nothing"):
            reply = await served.client.get(path)
            assert reply.headers["strict-transport-security"] == "max-age=600"


CONFIGURED = GatewayConfig(allowed_hosts=("parley.example", "127.0.0.1", "::1"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def named() -> AsyncIterator[Served]:
    async with serving("in_process", config=CONFIGURED, extra={"/metrics": page}) as served:
        yield served


@pytest.mark.parametrize(
    "host",
    ["parley.example", "PARLEY.example:8080", "parley.example.", "127.0.0.1", "127.0.0.1:1", "[::1]:80", "[0:0::1]"],
)
async def test_a_host_that_is_allowed_is_served_whatever_its_port(named: Served, host: str) -> None:
    for _ in range(2):
        assert (await named.client.get("/v1/match/x", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "parley.example.evil.example",
        "xparley.example",
        "127.0.0.1.evil.example",
        "",
        "@",
        "[::2]",
        "a b",
    ],
)
@pytest.mark.parametrize("path", ["/v1/match/x", "/healthz", "/metrics", "/nothing", "/v1/stream?events=1"])
async def test_a_request_for_another_host_is_misdirected_everywhere(named: Served, host: str, path: str) -> None:
    reply = await named.client.get(path, headers={"host": host})
    assert reply.status_code == 421
    assert "HOST_NOT_ALLOWED" in json.dumps(reply.json())
    assert "evil.example" not in reply.text


async def test_two_hosts_are_refused(named: Served) -> None:
    assert await status_line(named, b"GET /healthz HTTP/1.1\r\nhost: parley.example\r\nhost: evil\r\n\r\n") == 400


@pytest.mark.parametrize(("version", "status"), [(b"1.0", 200), (b"1.1", 400)])
async def test_only_http_1_0_may_leave_the_host_out(named: Served, version: bytes, status: int) -> None:
    assert await status_line(named, b"GET /healthz HTTP/%b\r\n\r\n" % version) == status


async def status_line(served: Served, raw: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(raw)
    async with asyncio.timeout(10):
        status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def test_a_preflight_for_another_host_allows_nothing() -> None:
    config = GatewayConfig(allowed_hosts=("127.0.0.1",), cors_origins=("*",))
    asked = {"origin": "http://evil.example", "access-control-request-method": "POST", "host": "evil.example"}
    async with serving("in_process", config=config) as served:
        reply = await served.client.options("/v1/samples", headers=asked)
    assert (reply.status_code, "access-control-allow-methods" in reply.headers) == (421, False)


async def test_an_unlisted_server_still_answers_over_any_asgi_server() -> None:
    async with serving("in_process") as served:
        transport = httpx.ASGITransport(app=served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
            reply = await client.post("/v1/samples", json={"text": "x"})
    assert {name: reply.headers[name] for name in PROTECTION} == PROTECTION
