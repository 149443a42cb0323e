"""TLS on the gRPC port: real handshakes, certificates made for the test."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from parley.v1 import run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from gateway.edge.tls import ChannelTls, ListenerTls, TlsFiles
from server.rpc.server import RpcServer
from tests.contract.api.serving import serve
from tests.support.certificates import Authority, Pair, client_context, outdated, shown_by


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


class Encrypted:
    """A gRPC port with TLS, and calls to it."""

    def __init__(self, port: int, key: str, tls: ListenerTls, authority: Authority) -> None:
        self.port = port
        self.tls = tls
        self._metadata = (("x-api-key", key),)
        self._ca = authority.file

    @asynccontextmanager
    async def channel(self, shown: Pair | None = None, ca: Path | None = None) -> AsyncIterator[grpc.aio.Channel]:
        """A channel of a client that shows this certificate and trusts that authority."""
        files = (shown.certificate, shown.key) if shown else (None, None)
        credentials = ChannelTls(ca or self._ca, *files).credentials()
        async with grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials) as channel:
            yield channel

    async def list_threads(self, channel: grpc.aio.Channel) -> thread_pb2.ListThreadsResponse:
        """A unary call."""
        stub = thread_pb2_grpc.ThreadServiceStub(channel)
        return await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=self._metadata, timeout=20)

    async def generate(self, channel: grpc.aio.Channel) -> list[str | None]:
        """A stream, as the kinds of its events."""
        await thread_pb2_grpc.ThreadServiceStub(channel).CreateThread(
            thread_pb2.CreateThreadRequest(conversation_key="talk"), metadata=self._metadata, timeout=20
        )
        request = run_pb2.SendMessageRequest(
            conversation_key="talk", user_message=run_pb2.UserMessage(content="Hello " * 100_000)
        )
        events = run_pb2_grpc.RunServiceStub(channel).Generate(request, metadata=self._metadata, timeout=20)
        return [event.WhichOneof("payload") async for event in events]

    async def refusal(self, channel: grpc.aio.Channel) -> grpc.StatusCode:
        """How a call fails."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.list_threads(channel)
        return caught.value.code()


@asynccontextmanager
async def encrypted(
    folder: Path, pair: Pair, authority: Authority, client_ca: Path | None = None
) -> AsyncIterator[Encrypted]:
    tls = ListenerTls(TlsFiles(pair.certificate, pair.key, client_ca))
    async with serve(folder) as served:
        _, key = await served.key()
        server = RpcServer(
            services=served.services, pipeline=served.pipeline, reflection_enabled=False, tls=lambda: tls.identity
        )
        try:
            yield Encrypted(await server.start("127.0.0.1:0"), key, tls, authority)
        finally:
            await server.stop(0)


async def test_calls_and_streams_work_over_tls(tmp_path: Path, authority: Authority) -> None:
    async with encrypted(tmp_path, authority.issue("server"), authority) as port, port.channel() as channel:
        kinds = await port.generate(channel)
        assert (kinds[0], kinds[-1]) == ("run_started", "run_ended")
        assert [thread.conversation_key for thread in (await port.list_threads(channel)).threads] == ["talk"]


async def test_a_client_that_trusts_another_authority_leaves(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path, "other")
    async with encrypted(tmp_path, authority.issue("server"), authority) as port:
        async with port.channel(ca=other.file) as channel:
            assert await port.refusal(channel) is grpc.StatusCode.UNAVAILABLE
        async with port.channel() as channel:
            await port.list_threads(channel)


async def test_expired_and_foreign_names_are_recognised_by_clients(tmp_path: Path, authority: Authority) -> None:
    for pair in (authority.issue("late", expired=True), authority.issue("elsewhere", hosts=("parley.example",))):
        async with encrypted(tmp_path, pair, authority) as port, port.channel() as channel:
            assert await port.refusal(channel) is grpc.StatusCode.UNAVAILABLE


async def test_a_client_without_tls_is_not_served(tmp_path: Path, authority: Authority) -> None:
    async with encrypted(tmp_path, authority.issue("server"), authority) as port:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port.port}") as channel:
            assert await port.refusal(channel) is grpc.StatusCode.UNAVAILABLE
        async with port.channel() as channel:
            await port.list_threads(channel)


async def test_tls_1_1_is_refused(tmp_path: Path, authority: Authority) -> None:
    """That the same client is served by a server that allows it is shown in the tests of the gateway."""
    async with encrypted(tmp_path, authority.issue("server"), authority) as port:
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await shown_by(port.port, outdated(_speaking_h2(authority)))
        assert await shown_by(port.port, _speaking_h2(authority))


async def test_with_a_client_ca_only_its_clients_are_let_in(tmp_path: Path, authority: Authority) -> None:
    clients, others = Authority(tmp_path, "clients"), Authority(tmp_path, "others")
    async with encrypted(tmp_path, authority.issue("server"), authority, clients.file) as port:
        async with port.channel(clients.issue("anna")) as channel:
            assert (await port.generate(channel))[-1] == "run_ended"
        for shown in (None, others.issue("eve"), clients.issue("late", expired=True)):
            async with port.channel(shown) as channel:
                assert await port.refusal(channel) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_and_client_ca_are_shown_to_new_connections(
    tmp_path: Path, authority: Authority
) -> None:
    clients, later = Authority(tmp_path, "clients"), Authority(tmp_path, "later")
    former, newcomer = clients.issue("former"), later.issue("newcomer")
    async with encrypted(tmp_path, authority.issue("server"), authority, clients.file) as port:
        before = await shown_by(port.port, _speaking_h2(authority, former))
        async with port.channel(former) as lasting:
            await port.list_threads(lasting)
            clients.file.write_bytes(later.file.read_bytes())
            authority.issue("server")
            assert port.tls.renew() is True
            assert await shown_by(port.port, _speaking_h2(authority, newcomer)) != before
            async with port.channel(newcomer) as channel:
                await port.list_threads(channel)
            async with port.channel(former) as channel:
                assert await port.refusal(channel) is grpc.StatusCode.UNAVAILABLE
            await port.list_threads(lasting)


def _speaking_h2(authority: Authority, shown: Pair | None = None) -> ssl.SSLContext:
    context = client_context(authority.file, shown)
    context.set_alpn_protocols(["h2"])
    return context
