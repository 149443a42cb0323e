"""An httpx transport for answers that come token by token: a pool of HTTP/1.1 connections to one server.

A small read costs about 60 µs of CPU through httpx's own transport, mostly in layers of generators and a parser
written in Python, and a third of that here (`tests/bench/provider.py` measures it). No proxies, no HTTP/2, no
trailers: where the environment asks for a proxy, httpx's own is used.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx

from server.adapters.provider.http_connection import HttpConnection

_PORTS: Final = {"http": 80, "https": 443}


class DirectTransport(httpx.AsyncBaseTransport):
    """Connects to the server of one URL only. Use it on one loop; `aclose` closes what is idle or in use."""

    def __init__(
        self, url: str, *, connect_timeout: float, max_connections: int, max_idle: int, keep_alive: float
    ) -> None:
        """`connect_timeout` (seconds) also bounds the wait for a free place among `max_connections`. At most `max_idle`
        connections wait for another request, for `keep_alive` seconds."""
        self._origin = httpx.URL(url)
        self._tls = httpx.create_ssl_context() if self._origin.scheme == "https" else None
        self._connect_timeout = connect_timeout
        self._places = asyncio.Semaphore(max_connections)
        self._max_idle = max_idle
        self._keep_alive = keep_alive
        self._idle: list[HttpConnection] = []
        self._busy: set[HttpConnection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response once its head is there; its stream gives the body as it comes and must be closed."""
        body = await request.aread()
        connection = await self._acquire(request.url)
        try:
            connection.send(request, body)
            status, headers = await connection.head()
        except BaseException:
            self.release(connection)
            raise
        return httpx.Response(status, headers=headers, stream=_Stream(self, connection))

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    async def _acquire(self, url: httpx.URL) -> HttpConnection:
        if (url.scheme, url.host, url.port) != (self._origin.scheme, self._origin.host, self._origin.port):
            raise httpx.UnsupportedProtocol("this transport serves one server only")
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("every connection is in use") from error
        try:
            connection = self._idle_connection() or await self._connect()
        except BaseException:
            self._places.release()
            raise
        self._busy.add(connection)
        return connection

    def _idle_connection(self) -> HttpConnection | None:
        oldest = asyncio.get_running_loop().time() - self._keep_alive
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> HttpConnection:
        host, port = self._origin.host, self._origin.port or _PORTS[self._origin.scheme]
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    HttpConnection, host, port, ssl=self._tls, server_hostname=host if self._tls else None
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ssl.SSLError) as error:
            raise httpx.ConnectError(str(error)) from error
        return connection

    def release(self, connection: HttpConnection) -> None:
        """For responses: the connection is no longer needed. Kept for another request if it can take one."""
        if connection not in self._busy:
            return
        self._busy.remove(connection)
        self._places.release()
        if connection.reusable and len(self._idle) < self._max_idle:
            self._idle.append(connection)
        else:
            connection.close()


class _Stream(httpx.AsyncByteStream):
    """A response's body. An iterator itself: generators would be left to the garbage collector when closed early."""

    def __init__(self, transport: DirectTransport, connection: HttpConnection) -> None:
        self._transport = transport
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        data = await self._connection.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        self._transport.release(self._connection)
