"""A model server on a loopback port that plays scripts and can misbehave down to the byte."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support.upstream.connection import ClientGone, Connection, RecordedRequest
from tests.support.upstream.gate import Changes
from tests.support.upstream.player import Player
from tests.support.upstream.scripts import Script, refusal


class ScriptedUpstream:
    """Plays one script a request, in the order in which they were given, then `default`.

        async with ScriptedUpstream() as upstream:
            upstream.script(answer("Hello"))
            ... point a client at upstream.base_url ...
            assert upstream.requests[0].body["model"] == "m"

    What it counts can be awaited (`requested`, `gave_up`, `disconnected`), so tests need not sleep. A request that
    nothing answers gets a 500 and fails the test when the context ends.
    """

    def __init__(self, *, default: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`default` answers what no script does; with `tls` the base URL is `https://localhost:PORT/v1`."""
        self.default = default
        self.chooses: Callable[[RecordedRequest], Script] | None = None
        """Picks the answer to a request that no queued script answers, in place of `default`."""
        self.requests: list[RecordedRequest] = []
        """Every request, in order of arrival."""
        self.connections_open = 0
        """Connections that the client has open."""
        self.connections_made = 0
        """All connections ever."""
        self.abandoned = 0
        """Scripts whose client went away before their end."""
        self._scripts: deque[Script] = deque()
        self._unscripted = 0
        self._changes = Changes()
        self._handlers: dict[asyncio.Task[None], Connection] = {}
        self._tls = tls
        self._server: asyncio.Server | None = None

    def script(self, *scripts: Script) -> None:
        """Queue the answers to the next requests."""
        self._scripts.extend(scripts)

    @property
    def base_url(self) -> str:
        """What a client calls the base URL: `http://127.0.0.1:PORT/v1`."""
        assert self._server is not None, "enter the context first"
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}/v1" if self._tls is None else f"https://localhost:{port}/v1"

    async def requested(self, count: int = 1) -> None:
        """Wait until `count` requests have come in all."""
        await self._changes.until(lambda: len(self.requests) >= count)

    async def gave_up(self, count: int = 1) -> None:
        """Wait until the client has gone away from `count` scripts in all before their end."""
        await self._changes.until(lambda: self.abandoned >= count)

    async def disconnected(self) -> None:
        """Wait until the client has no connection open."""
        await self._changes.until(lambda: self.connections_open == 0)

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until a fact about the counters holds."""
        await self._changes.until(fact)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._opened), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        results = await asyncio.gather(*self._handlers, return_exceptions=True)
        for connection in self._handlers.values():
            connection.abort()
            await connection.gone.wait()
        await self._server.wait_closed()
        if kind is None:
            failures = [one for one in results if isinstance(one, Exception)]
            assert not failures, failures
            assert not self._unscripted, f"{self._unscripted} requests that no script answers"

    def _opened(self, connection: Connection) -> None:
        handler = asyncio.get_running_loop().create_task(self._serve(connection))
        self._handlers[handler] = connection
        self.connections_made += 1
        self._count(1)

    def _count(self, opened: int) -> None:
        self.connections_open += opened
        self._changes.happened()

    async def _serve(self, connection: Connection) -> None:
        try:
            while await self._answer(connection):
                pass
            await connection.gone.wait()
        except ClientGone:
            pass
        finally:
            connection.finish()
            self._count(-1)

    async def _answer(self, connection: Connection) -> bool:
        """Take and answer a request; whether another may follow. Raises `ClientGone`, between two requests too."""
        self.requests.append(await connection.request())
        self._changes.happened()
        try:
            return await _play_while_connected(self._next_script(), connection)
        except ClientGone:
            self.abandoned += 1
            self._changes.happened()
            raise

    def _next_script(self) -> Script:
        if self._scripts:
            return self._scripts.popleft()
        if self.chooses is not None:
            return self.chooses(self.requests[-1])
        if self.default is not None:
            return self.default
        self._unscripted += 1
        return refusal(500, message="no script answers this request")


async def _play_while_connected(script: Script, connection: Connection) -> bool:
    """Play until the end or until the client goes away, gates and pauses notwithstanding."""
    playing = asyncio.create_task(Player(script, connection).play())
    leaving = asyncio.create_task(connection.gone.wait())
    try:
        await asyncio.wait((playing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            raise ClientGone
        return playing.result()
    finally:
        playing.cancel()
        leaving.cancel()
        await asyncio.gather(playing, leaving, return_exceptions=True)
