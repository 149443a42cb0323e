"""Serves an application over HTTP: binds, accepts, stops with grace."""

import asyncio
import ssl
from email.utils import formatdate
from types import TracebackType
from typing import Self

import uvicorn
from uvicorn.server import ServerState

from gateway.config import GatewayConfig
from gateway.edge.app import App
from gateway.edge.http_protocol import HttpProtocol

_BACKLOG = 2048
_LAST_WORDS = 0.5
"""Seconds that streams get to write their last event when the grace is over."""


class HttpServer:
    """Listens from `__aenter__` to `__aexit__` on one address; port 0 takes a free one.

    It installs no signal handlers and logs no requests. Leaving refuses new connections, closes idle ones, and gives
    requests under way `grace` seconds; streams then end with an error event, the rest is cancelled.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str,
        port: int,
        grace: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._app = app
        self._host = host
        self._wanted_port = port
        self._grace = grace
        self._tls = tls
        self._state = ServerState()
        self._server: asyncio.Server | None = None
        self._clock: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        config = _uvicorn_config(self._app, self._app.config)
        limits = self._app.config

        def protocol() -> HttpProtocol:
            return HttpProtocol(
                config=config,
                state=self._state,
                limits=limits,
                error=self._app.error,
                fixed=self._app.fixed_headers,
            )

        self._tick()
        self._server = await loop.create_server(
            protocol,
            self._host,
            self._wanted_port,
            backlog=_BACKLOG,
            ssl=self._tls,
            # A handshake is what comes before a head, and has the same time.
            ssl_handshake_timeout=None if self._tls is None else limits.head_timeout,
            ssl_shutdown_timeout=None if self._tls is None else _LAST_WORDS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the server is not listening")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """`host:port` of the listener."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port}"

    async def stop(self) -> None:
        """Stop as `__aexit__` does; repeatable."""
        self._app.stop_readiness()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        await self._settle(self._grace)
        self._app.interrupt_streams()
        await self._settle(_LAST_WORDS)
        for task in tuple(self._state.tasks):
            task.cancel()
        await self._settle(_LAST_WORDS)
        for connection in tuple(self._state.connections):
            connection.transport.abort()
        if self._clock is not None:
            self._clock.cancel()

    async def _settle(self, seconds: float) -> None:
        if self._state.tasks:
            await asyncio.wait(tuple(self._state.tasks), timeout=seconds)

    def _tick(self) -> None:
        """Keep the `Date` header, which every reply has, at the second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)


def _uvicorn_config(app: App, limits: GatewayConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(limits.idle_timeout),
    )
