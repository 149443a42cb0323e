"""One open connection to a tool server: its tools, and calls on it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, InitializeResult

from server.adapters.tools.definitions import server_tools
from server.adapters.tools.guarded_http import LOST, NOT_SENT, OWN_MARK
from server.adapters.tools.inbox import NotSent
from server.adapters.tools.listing import NoToolList, listed
from server.adapters.tools.results import NoResult, refusal, tool_result
from server.adapters.tools.server_config import ToolServerConfig
from server.domain.tool import ServerTool
from server.ports.system import Clock
from server.ports.tools import (
    CALL_KEY,
    ToolNotCalled,
    ToolOutcomeUnknown,
    ToolResult,
    ToolSchemas,
    ToolServerUnavailable,
)

_log = structlog.get_logger(__name__)


class Session:
    """Safe to use from many tasks."""

    def __init__(
        self,
        *,
        config: ToolServerConfig,
        dispatcher: JSONRPCDispatcher,
        greeting: InitializeResult,
        schemas: ToolSchemas,
        clock: Clock,
        over: asyncio.Event,
    ) -> None:
        """`over` is set once nobody can use it any more, or shall and does."""
        self._config = config
        self._dispatcher = dispatcher
        self.greeting = greeting
        """What the server said of itself."""
        self._schemas = schemas
        self._clock = clock
        self._tools: tuple[ServerTool, ...] | None = None
        self._generation = 0
        self._listing = asyncio.Lock()
        self._list_not_before = clock.monotonic()
        self._in_use = 0
        self._is_retired = False
        self._over = over

    @property
    def is_usable(self) -> bool:
        """Whether it is open, as far as anybody knows."""
        return not self._is_retired and not self._over.is_set()

    def forget_tools(self) -> None:
        """The server says that its tools changed."""
        self._generation += 1
        self._tools = None

    def retire(self) -> None:
        """Whoever uses it may go on, nobody new shall."""
        self._is_retired = True
        if not self._in_use:
            self._over.set()

    async def tools(self) -> tuple[ServerTool, ...]:
        """The server's tools; asked for once, until it says that they changed. Raises `ToolServerUnavailable`: it lists
        none, or hung a moment ago."""
        async with self._listing, self._used():
            if self._tools is not None:
                return self._tools
            if self._clock.monotonic() < self._list_not_before:
                raise self._unlisted()
            return await self._list()

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> ToolResult:
        """See `ports.tools.ToolServers.call`."""
        if not self.is_usable:
            raise self._not_called("has just ended")
        started = self._clock.monotonic()
        params = {"name": tool.tool, "arguments": dict(arguments), "_meta": {CALL_KEY: key}}
        limit = self._config.call_timeout.total_seconds()
        async with self._used():
            try:
                async with asyncio.timeout(limit):
                    answer = await self._dispatcher.send_raw_request("tools/call", params)
                return tool_result(answer, most_bytes=self._config.result_bytes, duration=self._since(started))
            except TimeoutError:
                raise ToolOutcomeUnknown(
                    f"the tool was called and did not answer within {limit:g} s; it may or may not have run"
                ) from None
            except NotSent:
                raise self._not_called("has just ended") from None
            except NoResult:
                raise ToolOutcomeUnknown("the tool was called; its server's answer makes no sense") from None
            except MCPError as error:
                return self._refused(error, started)

    def _refused(self, error: MCPError, started: float) -> ToolResult:
        """What an error that stands for the result means: the server's own word, or that none came."""
        code, is_own = error.error.code, error.error.data == OWN_MARK
        is_http = self._config.transport == "http"
        if is_own and code == NOT_SENT:
            self.retire()
            raise self._not_called("cannot be reached")
        if is_http and code == INVALID_REQUEST and error.error.message == "Session terminated":
            self.retire()
            raise self._not_called("has started anew")
        if is_own and code == LOST:
            self.retire()
        if (is_own and code == LOST) or (is_http and code in {CONNECTION_CLOSED, PARSE_ERROR}) or self._over.is_set():
            raise ToolOutcomeUnknown("the tool was called and its server's answer was lost; it may or may not have run")
        return refusal(error.error.message, most_bytes=self._config.result_bytes, duration=self._since(started))

    def _not_called(self, cause: str) -> ToolNotCalled:
        return ToolNotCalled(f"the tool server {self._config.name!r} {cause}; nothing was called")

    async def _list(self) -> tuple[ServerTool, ...]:
        name = self._config.name
        generation, limit = self._generation, self._config.connect_timeout.total_seconds()
        try:
            async with asyncio.timeout(limit):
                definitions = await listed(self._ask, server=name)
        except (TimeoutError, MCPError, NotSent, NoToolList) as error:
            if isinstance(error, MCPError) and error.error.data == OWN_MARK:
                self.retire()
            if isinstance(error, TimeoutError):
                # Whoever asks waits for it: it may not take up more than half of their time.
                self._list_not_before = self._clock.monotonic() + limit
            raise self._unlisted() from None
        tools, left_out = await asyncio.to_thread(server_tools, self._config, definitions, self._schemas)
        if left_out:
            _log.warning("tools_left_out", server=name, tools=left_out)
        if generation == self._generation:
            self._tools = tools
        return tools

    def _unlisted(self) -> ToolServerUnavailable:
        name = self._config.name
        return ToolServerUnavailable(
            name, f"the tool server {name!r} does not list its tools; have its operator look at it"
        )

    async def _ask(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._dispatcher.send_raw_request("tools/list", params)
        except MCPError as error:
            if error.error.code != METHOD_NOT_FOUND:
                raise
            return {"tools": []}  # a server that has none need not know the question

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[None]:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            if self._is_retired and not self._in_use:
                self._over.set()

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)
