"""`parley serve`: store, engine, gRPC server and HTTP/JSON gateway in one process, from the first signal to the last.

The only module that knows both the server and the gateway: it puts the servicers, behind the same interceptor, on a
socket and on the gateway's upstream in process.
"""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from rich.console import Console

from gateway.bootstrap import App, HttpServer, build_app, default_descriptors
from gateway.config import GatewayConfig
from gateway.core.openapi import Info
from gateway.edge.asgi import AsgiHandler
from gateway.edge.console import DOCS_PATH, console_pages
from gateway.edge.hosts import LOOPBACK, default_hosts
from gateway.edge.local_page import LocalPage
from gateway.edge.tls import ListenerTls, TlsFiles, TlsUnusable
from gateway.edge.upstream import InProcessUpstream
from server.address import Address
from server.bootstrap.service import SERVICES, Service, open_service
from server.cli.banner import Banner
from server.cli.data_directory import DataDirectory
from server.cli.development_key import DevelopmentKey, development_key
from server.cli.garbage import rare_collections
from server.cli.http_metrics import HttpMetrics
from server.cli.metrics_page import MetricsPage
from server.cli.signals import StopSignal
from server.config import Exposure, Settings
from server.failure import CommandFailed, InvalidConfiguration
from server.rpc import logs

_log = structlog.get_logger(__name__)

# What calls that are still there after the drain get, to receive their last event.
_LAST_WORDS_SECONDS: Final = 0.5
# A renewed certificate is shown this long after its files were replaced, at the latest.
_LOOK_FOR_RENEWAL_SECONDS: Final = 5.0


class AddressTaken(CommandFailed):
    """Nobody can listen there."""

    def __init__(self, flag: str, address: Address) -> None:
        super().__init__(
            f"Nothing can listen on {address}: the port is in use, or the address is not this machine's. "
            f"Choose another with {flag}; port 0 is any free port."
        )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where calls are accepted, ports included."""

    http: Address
    grpc: Address
    tls: bool
    """Whether they are encrypted."""


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises `CommandFailed` when the service cannot start."""
    tls = _tls(settings)
    if not settings.binds_to_loopback and tls is None and not settings.insecure:
        exposed = settings.grpc if settings.http.is_loopback else settings.http
        raise InvalidConfiguration(
            f"Others can reach {exposed}, and keys and content would cross the network unencrypted. Name a certificate "
            "with --tls-certificate and --tls-key, bind to 127.0.0.1 behind a TLS proxy, or say --insecure."
        )
    logs.configure(settings.log_level)
    directory = DataDirectory(settings.data)
    directory.prepare()
    with directory.locked(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_serve(settings, directory, tls))
        except asyncio.CancelledError:
            # The signal came before anybody could be served.
            raise KeyboardInterrupt from None


def _tls(settings: Settings) -> ListenerTls | None:
    """What both listeners show, if they are to be encrypted. Raises `InvalidConfiguration`."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return ListenerTls(TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_ca))
    except TlsUnusable as error:
        raise InvalidConfiguration(str(error)) from error


async def _serve(settings: Settings, directory: DataDirectory, tls: ListenerTls | None) -> None:
    """Open everything, answer until the signal, close everything."""
    with StopSignal() as stop:
        opened = open_service(settings, database=directory.database, files=directory.files, pepper=directory.pepper())
        async with opened as service:
            key = await development_key(
                directory, service.keys, service.key_factory, loopback=settings.binds_to_loopback
            )
            async with _listening(settings, service, tls) as addresses:
                published = directory.published(http=str(addresses.http), grpc=str(addresses.grpc), tls=addresses.tls)
                with rare_collections(), published:
                    _banner(settings, directory, service, key, addresses).show(Console(highlight=False))
                    await stop.wait()
                await _drain(service, timedelta(seconds=settings.grace_seconds))


@asynccontextmanager
async def _listening(settings: Settings, service: Service, tls: ListenerTls | None) -> AsyncIterator[Addresses]:
    """Accept calls on both addresses for the length of the block; gives them with their real ports.

    On leaving, streams that are still open end with an error that says so, and the sockets are closed.
    """
    rpc = service.rpc_server(
        reflection_enabled=_is_shown(settings.reflection, settings.grpc),
        tls=None if tls is None else lambda: tls.identity,
        connections=settings.connections,
    )
    upstream = InProcessUpstream([service.pipeline])
    service.services.register(upstream)
    http = HttpServer(
        _gateway(settings, service, upstream, has_tls=tls is not None),
        host=settings.http.host,
        port=settings.http.port,
        grace=_LAST_WORDS_SECONDS,
        tls=None if tls is None else tls.context,
    )
    async with AsyncExitStack() as stack:
        try:
            grpc = replace(settings.grpc, port=await rpc.start(str(settings.grpc)))
        except OSError as error:
            raise AddressTaken("--grpc", settings.grpc) from error
        stack.push_async_callback(rpc.stop, _LAST_WORDS_SECONDS)
        stack.push_async_callback(upstream.stop)
        try:
            await stack.enter_async_context(http)
        except OSError as error:
            raise AddressTaken("--http", settings.http) from error
        if tls is not None:
            await stack.enter_async_context(tls.renewing(_LOOK_FOR_RENEWAL_SECONDS))
        service.services.health.set_serving(True)
        yield Addresses(http=replace(settings.http, port=http.port), grpc=grpc, tls=tls is not None)


def _gateway(settings: Settings, service: Service, upstream: InProcessUpstream, *, has_tls: bool) -> App:
    """The gateway over the servicers of this process, with the pages beside the routes."""
    return build_app(
        # The servicers' own message classes: requests and replies are handed over as they are.
        pool=descriptor_pool.Default(),
        services=SERVICES,
        upstream=upstream,
        config=GatewayConfig(
            unary_timeout=settings.unary_seconds,
            cors_origins=settings.cors_origins,
            stream_buffer=settings.stream_buffer_bytes,
            heartbeat=settings.stream_heartbeat_seconds,
            connection_limit=settings.connections,
            allowed_hosts=_hosts(settings),
            forwards_clients=bool(settings.trusted_proxies),
            hsts_seconds=settings.hsts_seconds if has_tls else 0,
        ),
        extra={
            **_shown(settings.metrics, {"/metrics": MetricsPage(service.metrics)}),
            **_shown(settings.docs, _documents()),
        },
        observer=HttpMetrics(service.metrics),
    )


def _hosts(settings: Settings) -> tuple[str, ...]:
    """Under which names HTTP calls may ask for the service."""
    bound = settings.http.host
    return (*settings.allowed_hosts, bound, *LOOPBACK) if settings.allowed_hosts else default_hosts(bound)


def _shown(exposure: Exposure, pages: Mapping[str, AsgiHandler]) -> Mapping[str, AsgiHandler]:
    """The pages as far as they are to be seen: by nobody, by callers on this machine, or by everybody."""
    match exposure:
        case "off":
            return {}
        case "loopback":
            return {path: LocalPage(page) for path, page in pages.items()}
        case "on":
            return pages


def _is_shown(exposure: Exposure, address: Address) -> bool:
    """Whether what cannot tell its callers apart is there at all: where only this machine can reach it, or everybody
    may."""
    return exposure == "on" or (exposure == "loopback" and address.is_loopback)


def _documents() -> dict[str, AsgiHandler]:
    """The API's own description, and the page that shows it."""
    descriptors = default_descriptors()
    return console_pages(
        pool=descriptor_pool.Default(),
        services=SERVICES,
        files=None if descriptors is None else FileDescriptorSet.FromString(descriptors.read_bytes()),
        info=Info(title="Parley", version=version("parley")),
    )


async def _drain(service: Service, grace: timedelta) -> None:
    """Say "not ready", hang up, and warn every stream, take no new work, let running answers finish; their viewers see
    them to the end. Whatever else is being watched is cut."""
    _log.info("stopping", grace_seconds=grace.total_seconds())
    service.services.health.set_serving(False)
    service.voice.drain()
    service.streams.drain()
    await service.engine.drain(grace)
    service.streams.stop()


def _banner(
    settings: Settings,
    directory: DataDirectory,
    service: Service,
    key: DevelopmentKey,
    addresses: Addresses,
) -> Banner:
    return Banner(
        version=version("parley"),
        http=str(addresses.http),
        grpc=str(addresses.grpc),
        has_tls=addresses.tls,
        data=directory.path,
        model=service.default_model,
        answers_are_echoed=service.answers_are_echoed,
        docs_path=DOCS_PATH if _is_shown(settings.docs, settings.http) else None,
        key=key.text,
        why_no_key=key.why_not,
        chat_command=_chat_command(settings, directory),
    )


def _chat_command(settings: Settings, directory: DataDirectory) -> str:
    """How to call `parley chat` for this server from the same shell."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "parley" else f"{Path(sys.executable).name} -m server"
    default = Settings.model_fields["data"].default
    return (
        f"{program} chat" if settings.data == default else f"{program} chat --data {shlex.quote(str(directory.path))}"
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where there is one: streams take half the time on it."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
