"""TLS on the HTTP port and to the upstream: real handshakes, certificates made for the test."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.config import GatewayConfig
from gateway.edge.tls import ChannelTls, ListenerTls, TlsFiles
from tests.support.certificates import Authority, client_context, outdated, shown_by
from tests.support.toy.served import KINDS, Served, serving


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def encrypted(
    kind: str, authority: Authority, *, client_ca: Path | None = None
) -> AsyncIterator[tuple[Served, ListenerTls]]:
    """The toy behind a gateway with TLS towards its clients, and towards the server where there is a channel."""
    pair, backend, own = (authority.issue(name) for name in ("gateway", "backend", "client-of-backend"))
    tls = ListenerTls(TlsFiles(pair.certificate, pair.key, client_ca))
    async with serving(
        kind,
        config=GatewayConfig(stream_hold=0.3, head_timeout=2),
        tls=tls.context,
        backend_tls=ListenerTls(TlsFiles(backend.certificate, backend.key, authority.file)),
        channel_tls=ChannelTls(authority.file, own.certificate, own.key),
    ) as served:
        yield served, tls


def caller(served: Served, context: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{served.port}", verify=context, timeout=20, trust_env=False)


@pytest.mark.parametrize("kind", KINDS)
async def test_calls_errors_pages_and_streams_work_over_tls(kind: str, authority: Authority) -> None:
    async with encrypted(kind, authority) as (served, _), caller(served, client_context(authority.file)) as client:
        assert (await client.post("/v1/samples", json={"text": "x" * 3_000_000})).json() == {"text": "x" * 3_000_000}
        assert (await client.get("/v1/act?code=5")).status_code == 404
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        async with client.stream("GET", "/v1/stream?events=3") as reply:
            lines = [line async for line in reply.aiter_lines()]
        assert [line for line in lines if line.startswith("id:")] == ["id: 1", "id: 2", "id: 3"]
        assert lines[-3:-1] == ["event: end", "data: {}"]
        # One connection, many requests: keep-alive works under TLS, too.
        assert len({(await client.get("/v1/act")).json()["peer"] for _ in range(3)}) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_leaves_is_noticed_over_tls(kind: str, authority: Authority) -> None:
    async with encrypted(kind, authority) as (served, _), caller(served, client_context(authority.file)) as client:
        async with client.stream("GET", "/v1/stream?events=1&linger=true") as reply:
            await anext(reply.aiter_lines())
        await asyncio.wait_for(served.record.cancelled.wait(), 10)


async def test_a_client_that_trusts_another_authority_leaves(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    async with encrypted("in_process", authority) as (served, _):
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            await shown_by(served.port, client_context(other.file))
        assert await shown_by(served.port, client_context(authority.file))


async def test_an_expired_certificate_is_recognised_by_clients(authority: Authority) -> None:
    expired = authority.issue("expired", expired=True)
    tls = ListenerTls(TlsFiles(expired.certificate, expired.key))
    async with serving("in_process", tls=tls.context) as served:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            await shown_by(served.port, client_context(authority.file))


async def test_plain_http_on_the_tls_port_is_closed_and_disturbs_nobody(authority: Authority) -> None:
    async with encrypted("in_process", authority) as (served, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(10):
            assert b"200" not in await reader.read()
        writer.close()
        assert await shown_by(served.port, client_context(authority.file))


async def test_a_handshake_that_never_begins_is_given_up(authority: Authority) -> None:
    async with encrypted("in_process", authority) as (served, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_tls_1_1_is_refused(authority: Authority) -> None:
    async with encrypted("in_process", authority) as (served, _):
        # The connection is closed in mid-handshake, with or without an alert.
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await shown_by(served.port, outdated(client_context(authority.file)))
        assert await shown_by(served.port, client_context(authority.file))


async def test_the_outdated_client_would_be_served_by_an_outdated_server(authority: Authority) -> None:
    """Otherwise the test above could not fail."""
    pair = authority.issue("old")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=outdated(context)) as server:
        port = server.sockets[0].getsockname()[1]
        assert await shown_by(port, outdated(client_context(authority.file)))


@pytest.mark.parametrize("kind", KINDS)
async def test_with_a_client_ca_only_its_clients_are_let_in(kind: str, authority: Authority, tmp_path: Path) -> None:
    others = Authority(tmp_path, "others")
    clients = Authority(tmp_path, "clients")
    async with encrypted(kind, authority, client_ca=clients.file) as (served, _):
        anna = client_context(authority.file, clients.issue("anna"))
        assert await shown_by(served.port, anna)
        async with caller(served, anna) as client:
            assert (await client.get("/v1/match/x")).status_code == 200
        for shown in (None, others.issue("eve"), clients.issue("late", expired=True)):
            with pytest.raises(OSError, match=r"alert|closed|reset"):
                await shown_by(served.port, client_context(authority.file, shown))


async def test_a_renewed_certificate_and_client_ca_are_taken_up_while_connections_go_on(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clients, later = Authority(tmp_path, "clients"), Authority(tmp_path, "later")
    former, newcomer = (client_context(authority.file, each.issue("c")) for each in (clients, later))
    async with encrypted("in_process", authority, client_ca=clients.file) as (served, tls), tls.renewing(0.01):
        before = await shown_by(served.port, former)
        async with caller(served, former) as client:
            assert (await client.get("/healthz")).status_code == 200
            clients.file.write_bytes(later.file.read_bytes())
            authority.issue("gateway")
            async with asyncio.timeout(20):
                while "has been renewed" not in caplog.text:  # noqa: ASYNC110 - the log tells nobody that it grew
                    await asyncio.sleep(0)
                # The two files were replaced one after the other: the second may be taken up with the next look.
                while await _shown_or_none(served.port, newcomer) in (None, before):
                    pass
            with pytest.raises(OSError, match=r"alert|closed|reset"):
                await shown_by(served.port, former)
            assert (await client.get("/healthz")).status_code == 200


async def _shown_or_none(port: int, context: ssl.SSLContext) -> str | None:
    with contextlib.suppress(OSError):
        return await shown_by(port, context)
    return None


async def test_a_renewal_that_cannot_be_used_is_logged_once_and_changes_nothing(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with encrypted("in_process", authority) as (served, tls), tls.renewing(0.005):
        before = await shown_by(served.port, client_context(authority.file))
        (authority.file.parent / "gateway.key").unlink()
        async with asyncio.timeout(20):
            while "the former stay in use" not in caplog.text:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        for _ in range(3):
            assert await shown_by(served.port, client_context(authority.file)) == before
        assert caplog.text.count("the former stay in use") == 1


@pytest.mark.parametrize("trust", ["another authority", "no client certificate", "no TLS"])
async def test_an_upstream_that_cannot_be_trusted_or_trusts_us_not_is_503(
    trust: str, authority: Authority, tmp_path: Path
) -> None:
    backend, own = authority.issue("backend"), authority.issue("own")
    channel = {
        "another authority": ChannelTls(Authority(tmp_path, "other").file, own.certificate, own.key),
        "no client certificate": ChannelTls(authority.file),
        "no TLS": None,
    }[trust]
    files = TlsFiles(backend.certificate, backend.key, authority.file)
    async with serving("channel", backend_tls=ListenerTls(files), channel_tls=channel) as served:
        reply = await served.client.get("/v1/match/x")
    assert (reply.status_code, reply.json()["error"]["message"]) == (503, "The service is unavailable.")
