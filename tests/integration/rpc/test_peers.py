"""The address of a caller is the same through either form of the gateway, and over gRPC."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import descriptor_pool
from parley.v1 import thread_pb2, thread_pb2_grpc

from gateway.bootstrap import HttpServer, build_app
from gateway.config import GatewayConfig
from gateway.edge.upstream import ChannelUpstream, InProcessUpstream, Upstream
from server.adapters.system import SystemClock, SystemIds
from server.rpc.interceptors import call
from server.rpc.interceptors.metadata import MOST_FIELDS
from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.metrics import Metrics
from server.rpc.services import DESCRIPTORS
from tests.contract.api.serving import serve

LOOPBACK = ("127.0.0.1/32",)
ROUTE = "/api/v1/llm/gateway/list-threads"


class Where(thread_pb2_grpc.ThreadServiceServicer):
    """Answers nothing and notes from where it was asked."""

    def __init__(self) -> None:
        self.addresses: list[str] = []

    async def ListThreads(self, request: Any, context: Any) -> Any:
        self.addresses.append(call.address())
        return thread_pb2.ListThreadsResponse()


@dataclass
class Doors:
    """Three ways to one servicer."""

    where: Where
    key: str
    grpc: thread_pb2_grpc.ThreadServiceStub
    http: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def over_http(self, kind: str, *forwarded: str) -> str:
        """From where a call over HTTP seems to come."""
        headers = [("x-api-key", self.key), *(("x-forwarded-for", each) for each in forwarded)]
        reply = await self.http[kind].post(ROUTE, json={}, headers=headers)
        assert reply.status_code == 200, reply.text
        return self.where.addresses[-1]

    async def over_grpc(self, *more: tuple[str, str]) -> str:
        """From where a call over gRPC seems to come."""
        await self.grpc.ListThreads(thread_pb2.ListThreadsRequest(), metadata=(("x-api-key", self.key), *more))
        return self.where.addresses[-1]


@asynccontextmanager
async def doors(folder: Path, trusted: Iterable[str]) -> AsyncIterator[Doors]:
    async with serve(folder) as served, AsyncExitStack() as stack:
        _, key = await served.key()
        pipeline = Pipeline(
            services=DESCRIPTORS,
            door=served.pipeline._door,
            clock=SystemClock(),
            ids=SystemIds(),
            metrics=Metrics(),
            trusted_proxies=[ip_network(network) for network in trusted],
        )
        where = Where()  # type: ignore[abstract]  # the other methods are UNIMPLEMENTED
        local = InProcessUpstream([pipeline])
        server = grpc.aio.server(interceptors=[pipeline], options=(("grpc.so_reuseport", 0),))
        for each in (server, local):
            thread_pb2_grpc.add_ThreadServiceServicer_to_server(where, each)  # type: ignore[arg-type]  # as a server
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        stack.push_async_callback(server.stop, 0)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        found = Doors(where, key, thread_pb2_grpc.ThreadServiceStub(channel))
        upstreams: dict[str, Upstream] = {"in_process": local, "channel": ChannelUpstream(address)}
        for kind, upstream in upstreams.items():
            found.http[kind] = await stack.enter_async_context(_gateway(upstream))
        yield found
        for upstream in (local, upstreams["channel"]):
            await upstream.stop()  # type: ignore[attr-defined]  # both have it


@asynccontextmanager
async def _gateway(upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(
        pool=descriptor_pool.Default(),
        services=["parley.v1.ThreadService"],
        upstream=upstream,
        config=GatewayConfig(forwards_clients=True),
    )
    async with (
        HttpServer(app, host="127.0.0.1", port=0, grace=0.1) as http,
        httpx.AsyncClient(base_url=f"http://{http.address}", timeout=20, trust_env=False) as client,
    ):
        yield client


async def test_a_trusted_proxy_is_believed_through_either_gateway_and_over_grpc(tmp_path: Path) -> None:
    async with doors(tmp_path, LOOPBACK) as ways:
        for kind in ways.http:
            assert await ways.over_http(kind) == "127.0.0.1"
            assert await ways.over_http(kind, "192.0.2.7") == "192.0.2.7"
            assert await ways.over_http(kind, "203.0.113.9, 192.0.2.7") == "192.0.2.7"
            assert await ways.over_http(kind, "203.0.113.9", "192.0.2.7, 127.0.0.1") == "192.0.2.7"
            assert await ways.over_http(kind, "192.0.2.7, nonsense") == "127.0.0.1"
        assert await ways.over_grpc() == "127.0.0.1"
        assert await ways.over_grpc(("x-forwarded-for", "192.0.2.7")) == "192.0.2.7"


async def test_nobody_else_is_and_metadata_has_the_limits_of_headers(tmp_path: Path) -> None:
    async with doors(tmp_path, ["10.0.0.0/8"]) as ways:
        assert {await ways.over_http(kind, "192.0.2.7") for kind in ways.http} == {"127.0.0.1"}
        assert await ways.over_grpc(("x-forwarded-for", "192.0.2.7")) == "127.0.0.1"
        # The key and the user agent are two.
        fitting = [(f"x-{number}", "y") for number in range(MOST_FIELDS - 2)]
        await ways.over_grpc(*fitting)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ways.over_grpc(*fitting, ("x-last", "y"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "HEADERS_TOO_LARGE" in repr(caught.value.trailing_metadata())
        for client in ways.http.values():
            reply = await client.post(ROUTE, json={}, headers=fitting)
            assert (reply.status_code, "HEADERS_TOO_LARGE" in reply.text) == (431, True)
