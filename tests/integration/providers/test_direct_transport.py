"""The transport of our own keeps to HTTP/1.1, to its bounds, and runs on uvloop and over TLS."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
import uvloop

from server.adapters.provider.configuration import ProviderConfig
from server.adapters.provider.direct_transport import DirectTransport
from server.adapters.provider.http_client import http_client
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.system import SystemClock
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.ports.provider import CompletionRequest, TextPiece
from tests.support.upstream import (
    FIN,
    HANG,
    Endless,
    Gate,
    Script,
    ScriptedUpstream,
    answer,
    raw,
    refusal,
    silence,
    wire,
)

REQUEST = CompletionRequest((PromptMessage(Role.USER, "hi"),), GenerationConfig(model="m"))


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


def _client(
    url: str, *, connect: float = 10.0, connections: int = 10, idle: int = 10, keep_alive: float = 60.0
) -> httpx.AsyncClient:
    transport = DirectTransport(
        url, connect_timeout=connect, max_connections=connections, max_idle=idle, keep_alive=keep_alive
    )
    return httpx.AsyncClient(transport=transport, timeout=None)


async def _post(client: httpx.AsyncClient, upstream: ScriptedUpstream) -> httpx.Response:
    return await client.post(upstream.base_url, json={})


async def test_interim_responses_are_skipped(upstream: ScriptedUpstream) -> None:
    interim = wire.head(103, {"Link": "</a>"}) + wire.head(100, {})
    upstream.script(Script((interim, *refusal(418, body=b"tea").steps)), refusal(200, body=b"again"))
    async with _client(upstream.base_url) as client:
        response = await _post(client, upstream)
        assert (response.status_code, response.content) == (418, b"tea")
        assert "link" not in response.headers
        assert (await _post(client, upstream)).content == b"again"
    assert upstream.connections_made == 1


@pytest.mark.parametrize(
    "script",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"),
        raw(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"),
    ],
    ids=["asked to close", "HTTP/1.0", "an answer nobody asked for", "bytes behind the body"],
)
async def test_a_connection_that_cannot_be_used_again_is_not(upstream: ScriptedUpstream, script: Script) -> None:
    upstream.script(script, refusal(200, body=b"second"))
    async with _client(upstream.base_url) as client:
        assert (await _post(client, upstream)).content == b"hello"
        assert (await _post(client, upstream)).content == b"second"
    assert upstream.connections_made == 2


async def test_trailers_are_dropped_and_the_connection_goes_on(upstream: ScriptedUpstream) -> None:
    head = wire.head(200, {"Transfer-Encoding": "chunked"})
    upstream.script(raw(head, wire.framed(b"hello"), b"0\r\nX-Sum: 1\r\n\r\n"), refusal(200, body=b"second"))
    async with _client(upstream.base_url) as client:
        response = await _post(client, upstream)
        assert response.content == b"hello"
        assert "x-sum" not in response.headers
        assert (await _post(client, upstream)).content == b"second"
    assert upstream.connections_made == 1


@pytest.mark.parametrize(
    "script",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", FIN),
        raw(wire.head(200, {"Transfer-Encoding": "chunked"}), wire.framed(b"hello"), FIN),
        raw(wire.head(200, {"Transfer-Encoding": "chunked"}), b"zz\r\nhello\r\n", FIN),
    ],
    ids=["less than promised", "no last chunk", "no chunk at all"],
)
async def test_a_body_that_is_not_whole_is_an_error(upstream: ScriptedUpstream, script: Script) -> None:
    upstream.script(script)
    async with _client(upstream.base_url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await _post(client, upstream)


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-Endless: "], ids=["headers", "one header"]
)
async def test_a_head_without_end_is_refused(upstream: ScriptedUpstream, start: bytes) -> None:
    line = b"X-A: b\r\n" * 100 if start.endswith(b"\n") else b"x" * 1000
    upstream.script(raw(start, Endless(line)))
    async with _client(upstream.base_url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await _post(client, upstream)
    await asyncio.wait_for(upstream.gave_up(), 5)


async def test_another_protocol_is_refused(upstream: ScriptedUpstream) -> None:
    upstream.script(raw(wire.head(101, {"Upgrade": "websocket", "Connection": "Upgrade"}), b"\x81\x05hello", HANG))
    async with _client(upstream.base_url) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await _post(client, upstream)
    await asyncio.wait_for(upstream.gave_up(), 5)


async def test_a_reader_that_is_slow_stops_the_server(upstream: ScriptedUpstream) -> None:
    sent = Gate()
    head = wire.head(200, {"Content-Length": str(64 * 1024 * 1024)})
    upstream.script(raw(head, *(b"x" * 65536 for _ in range(1024)), sent))
    async with _client(upstream.base_url) as client, client.stream("POST", upstream.base_url) as response:
        stream = response.aiter_raw()
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sent.reached(), 0.2)
        size = 65536
        biggest = 0
        async for chunk in stream:
            size += len(chunk)
            biggest = max(biggest, len(chunk))
            if size >= 64 * 1024 * 1024 - 65536:
                break
        assert biggest < 1024 * 1024
        await stream.aclose()  # type: ignore[attr-defined]


async def test_places_are_bounded_and_given_back(upstream: ScriptedUpstream) -> None:
    upstream.script(answer(HANG), refusal(200, body=b"ok"))
    async with _client(upstream.base_url, connect=0.5, connections=1) as client:
        async with client.stream("POST", upstream.base_url):
            with pytest.raises(httpx.PoolTimeout):
                await _post(client, upstream)
        assert (await _post(client, upstream)).content == b"ok"
    assert len(upstream.requests) == 2


async def test_a_request_that_was_given_up_gives_its_place_back(upstream: ScriptedUpstream) -> None:
    upstream.script(silence(), refusal(200, body=b"ok"))
    async with _client(upstream.base_url, connections=1) as client:
        first = asyncio.create_task(_post(client, upstream))
        await asyncio.wait_for(upstream.requested(), 5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await _post(client, upstream)).content == b"ok"


async def test_idle_connections_are_bounded_in_number_and_time(upstream: ScriptedUpstream) -> None:
    upstream.default = refusal(200, body=b"ok")
    async with _client(upstream.base_url, idle=1) as client:
        gate = Gate()
        upstream.script(Script((gate, *upstream.default.steps)), Script((gate, *upstream.default.steps)))
        both = [asyncio.create_task(_post(client, upstream)) for _ in range(2)]
        await asyncio.wait_for(upstream.requested(2), 5)
        gate.open()
        await asyncio.gather(*both)
        await asyncio.wait_for(upstream.until(lambda: upstream.connections_open == 1), 5)
    async with _client(upstream.base_url, keep_alive=0.0) as client:
        made = upstream.connections_made
        await _post(client, upstream)
        await _post(client, upstream)
        assert upstream.connections_made == made + 2


async def test_another_server_is_not_spoken_to(upstream: ScriptedUpstream) -> None:
    async with _client(upstream.base_url) as client:
        for url in ("http://127.0.0.1:1/v1", upstream.base_url.replace("http", "https")):
            with pytest.raises(httpx.UnsupportedProtocol):
                await client.post(url)
    assert upstream.requests == []


async def test_a_header_with_a_line_break_is_not_sent(upstream: ScriptedUpstream) -> None:
    async with _client(upstream.base_url) as client:
        with pytest.raises(httpx.LocalProtocolError):
            await client.post(upstream.base_url, headers={"X-A": "b\r\nX-C: d"})
    assert upstream.requests == []


async def _text(base_url: str) -> str:
    config = ProviderConfig(name="acme", base_url=base_url)
    provider = OpenAICompatibleProvider(config, clock=SystemClock())
    try:
        async with aclosing(provider.stream(REQUEST)) as pieces:
            return "".join([piece.text async for piece in pieces if isinstance(piece, TextPiece)])
    finally:
        await provider.aclose()


def test_it_runs_on_uvloop() -> None:
    async def main() -> None:
        async with ScriptedUpstream() as upstream:
            upstream.script(answer("on", " uvloop").sliced(11))
            assert await _text(upstream.base_url) == "on uvloop"
            await asyncio.wait_for(upstream.disconnected(), 5)

    uvloop.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = [openssl, "req", "-x509", *curve, *subject, "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_it_speaks_tls_to_a_server_it_trusts_and_to_no_other(
    run: object, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def main() -> None:
        async with ScriptedUpstream(tls=context) as upstream:
            upstream.script(answer("secret", " text"))
            with pytest.raises(Exception, match="could not be reached"):
                await _text(upstream.base_url)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
            assert await _text(upstream.base_url) == "secret text"
            with pytest.raises(Exception, match="could not be reached"):
                await _text(upstream.base_url.replace("localhost", "127.0.0.1"))

    assert callable(run)
    run(main())


@pytest.mark.parametrize(
    ("base_url", "env", "direct"),
    [
        ("https://api.openai.com/v1", {}, True),
        ("https://api.openai.com/v1", {"HTTPS_PROXY": "http://proxy:3128"}, False),
        ("https://api.openai.com/v1", {"ALL_PROXY": "http://proxy:3128"}, False),
        ("https://api.openai.com/v1", {"HTTP_PROXY": "http://proxy:3128"}, True),
        ("https://api.openai.com/v1", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "openai.com"}, True),
        ("http://localhost:11434/v1", {"HTTP_PROXY": "http://proxy:3128"}, True),
        ("http://127.0.0.1:11434/v1", {"ALL_PROXY": "http://proxy:3128"}, True),
        ("http://[::1]:11434/v1", {"ALL_PROXY": "http://proxy:3128"}, True),
        ("http://models.internal/v1", {"HTTP_PROXY": "http://proxy:3128"}, False),
    ],
)
async def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    base_url: str, env: dict[str, str], direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    async with http_client(ProviderConfig(name="acme", base_url=base_url)) as client:
        assert isinstance(client._transport, DirectTransport) is direct
