"""Serves the toy behind a gateway, with either form of upstream."""

import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from google.protobuf import descriptor_pool
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc  # type: ignore[import-untyped]

from gateway.bootstrap import HttpServer, build_app
from gateway.config import GatewayConfig
from gateway.edge.app import App
from gateway.edge.tls import ChannelTls, ListenerTls
from gateway.edge.upstream import ChannelUpstream, InProcessUpstream, Upstream
from server.rpc.tls import server_credentials
from tests.support.toy.compiled import SERVICES
from tests.support.toy.servicers import Record, add_all

KINDS = ("in_process", "channel")


@dataclass
class Served:
    """A running gateway, a client for it, and what is behind it."""

    client: httpx.AsyncClient
    app: App
    http: HttpServer
    upstream: Upstream
    record: Record
    health: Any
    backend: Any
    """What serves the calls: the in-process upstream, or the grpc server. Both have `stop(grace)`."""

    @property
    def port(self) -> int:
        """The HTTP port."""
        return self.http.port


@contextlib.asynccontextmanager
async def serving(
    kind: str,
    *,
    config: GatewayConfig | None = None,
    interceptors: Sequence[aio.ServerInterceptor] = (),
    extra: Mapping[str, Any] | None = None,
    grace: float = 0.2,
    observer: Any = None,
    tls: ssl.SSLContext | None = None,
    backend_tls: ListenerTls | None = None,
    channel_tls: ChannelTls | None = None,
) -> AsyncIterator[Served]:
    """Serve the toy through a gateway with this kind of upstream. TLS: the gateway's own, and for a channel that of the
    server behind it and of the gateway as its client."""
    record = Record()
    checks = health.aio.HealthServicer()
    async with _backend(kind, record, checks, interceptors, tls=backend_tls, channel_tls=channel_tls) as (
        backend,
        upstream,
    ):
        app = build_app(
            pool=descriptor_pool.Default(),
            services=SERVICES,
            upstream=upstream,
            config=config,
            extra=extra,
            observer=observer,
        )
        async with (
            HttpServer(app, host="127.0.0.1", port=0, grace=grace, tls=tls) as http,
            httpx.AsyncClient(base_url=f"http://{http.address}", timeout=20) as client,
        ):
            yield Served(client, app, http, upstream, record, checks, backend)


@contextlib.asynccontextmanager
async def _backend(
    kind: str,
    record: Record,
    checks: Any,
    interceptors: Sequence[aio.ServerInterceptor],
    *,
    tls: ListenerTls | None,
    channel_tls: ChannelTls | None,
) -> AsyncIterator[tuple[Any, Any]]:
    if kind == "in_process":
        inside = InProcessUpstream(interceptors)
        add_all(inside, record)
        health_pb2_grpc.add_HealthServicer_to_server(checks, inside)
        try:
            yield inside, inside
        finally:
            await inside.stop(0.1)
        return
    async with grpc_server(record, checks, interceptors, tls) as (server, address):
        channel = ChannelUpstream(address, credentials=None if channel_tls is None else channel_tls.credentials())
        try:
            yield server, channel
        finally:
            await channel.stop()


@contextlib.asynccontextmanager
async def grpc_server(
    record: Record,
    checks: Any,
    interceptors: Sequence[aio.ServerInterceptor] = (),
    tls: ListenerTls | None = None,
) -> AsyncIterator[tuple[aio.Server, str]]:
    """Serve the toy on a real grpc server; gives it and its address."""
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)  # it logs each crash that a test asks for
    server = aio.server(interceptors=interceptors, options=[("grpc.so_reuseport", 0)])
    add_all(server, record)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if tls is None
        else server.add_secure_port("127.0.0.1:0", server_credentials(lambda: tls.identity))
    )
    await server.start()
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.stop(0.1)
