"""The gRPC server: a grpc.aio server with every service behind the pipeline."""

from typing import Final

import grpc
from grpc_health.v1 import health  # type: ignore[import-untyped]  # ships no stubs
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]  # ships no stubs

from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.services import DESCRIPTORS, Services
from server.rpc.tls import IdentitySource, server_credentials

MESSAGE_BYTES: Final = 4 * 1024 * 1024
METADATA_BYTES: Final = 8 * 1024
STREAMS: Final = 1000
OPTIONS: Final = (
    # On by default: two servers would share a port without a word.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # Between the soft and the hard limit gRPC refuses at random; equal, they are one.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    # A viewer whose machine is gone is noticed within a minute, a client may ask as often.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A client that asks oftener, a third time, is shown the door.
    ("grpc.http2.max_ping_strikes", 2),
    # Calls and streams that one connection may have under way; a client opens another connection for more.
    ("grpc.max_concurrent_streams", STREAMS),
    # TLS and the first frames, as long as an HTTP request's head may take.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # A connection without calls; clients open another when they need one, without a failed call.
    ("grpc.max_connection_idle_ms", 15 * 60_000),
)


class RpcServer:
    """One listening server. `start` once, `stop` once."""

    def __init__(
        self,
        *,
        services: Services,
        pipeline: Pipeline,
        reflection_enabled: bool,
        connections: int | None = None,
        tls: IdentitySource | None = None,
    ) -> None:
        """To be called with the event loop running. `reflection_enabled`: whether anyone who reaches the port may read
        the protos from it; meant for loopback. `connections`: how many there may be at a time. `tls`: what they are
        shown; `None`: they are not encrypted."""
        self._health = services.health
        self._tls = tls
        options = OPTIONS if connections is None else (*OPTIONS, ("grpc.max_allowed_incoming_connections", connections))
        self._server = grpc.aio.server(interceptors=[pipeline], options=options)
        services.register(self._server)
        if reflection_enabled:
            names = [descriptor.full_name for descriptor in DESCRIPTORS]
            reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)

    async def start(self, address: str) -> int:
        """Listen on `host:port` and serve; returns the port, which a 0 leaves to the system. Health still says "not
        serving": whoever composed the service says when it is ready. Raises `OSError` when the address is not free."""
        try:
            port = self._bind(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}") from error
        await self._server.start()
        return port

    async def stop(self, grace: float) -> None:
        """Take no more calls, give those that run `grace` seconds, then cancel them."""
        self._health.close()
        await self._server.stop(grace)

    def _bind(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, server_credentials(self._tls))
