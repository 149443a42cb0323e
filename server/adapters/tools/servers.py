"""The tool servers of a configuration, over the official SDK."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self

from server.adapters.egress.addresses import Resolve, resolve
from server.adapters.tools.http import http_messages
from server.adapters.tools.inbox import Wire
from server.adapters.tools.link import Link
from server.adapters.tools.sdk_logs import silence_sdk
from server.adapters.tools.server_config import StdioEndpoint, ToolServerConfig
from server.adapters.tools.stdio import stdio_messages
from server.domain.tool import ServerTool
from server.domain.tool_errors import UnknownToolServer
from server.ports.system import Clock
from server.ports.tools import (
    ToolNotCalled,
    ToolResult,
    ToolSchemas,
    ToolServer,
    ToolServerInfo,
    ToolServerUnavailable,
)
from server.tasks import OwnTasks

_LEAST_FRAME: Final = 8 << 20
_ESCAPED: Final = 6
"""How many bytes of JSON a byte of a text can take."""


class McpServers:
    """Implements `ports.tools.ToolServers`. Entered with `async with`; connects when a server is first asked, and on
    leaving closes every connection and ends every server that it started."""

    def __init__(
        self,
        configs: Sequence[ToolServerConfig],
        *,
        schemas: ToolSchemas,
        clock: Clock,
        random: Callable[[], float],
        resolver: Resolve = resolve,
    ) -> None:
        """`random` gives numbers from 0 up to 1, for the jitter of restarts."""
        self._resolver = resolver
        self._group = OwnTasks()
        self._links = {
            config.name: Link(
                config, group=self._group, open_wire=self._open_wire, schemas=schemas, clock=clock, random=random
            )
            for config in configs
        }
        self._places = {config.name: asyncio.Semaphore(config.max_parallel) for config in configs}

    async def __aenter__(self) -> Self:
        silence_sdk()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)

    def servers(self, tenant: str) -> Sequence[ToolServer]:
        """See the port."""
        configs = [link.config for link in self._links.values() if link.config.serves(tenant)]
        return [ToolServer(one.name, one.description, one.transport, one.rule.policy) for one in configs]

    async def info(self, tenant: str, name: str) -> ToolServerInfo:
        """See the port."""
        greeting = (await self._link(tenant, name).session()).greeting
        return ToolServerInfo(
            name=name,
            title=greeting.server_info.title or greeting.server_info.name,
            version=greeting.server_info.version,
            protocol_version=greeting.protocol_version,
            instructions=greeting.instructions or "",
            capabilities=greeting.capabilities.model_dump(mode="json", by_alias=True, exclude_none=True),
        )

    async def tools(self, tenant: str, name: str) -> Sequence[ServerTool]:
        """See the port."""
        return await (await self._link(tenant, name).session()).tools()

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> ToolResult:
        """See the port. Waits for one of the server's places, as long as the call itself may take."""
        link = self._links.get(tool.server)
        if link is None:
            raise ToolNotCalled(f"no tool server is called {tool.server!r}")
        places = self._places[tool.server]
        try:
            async with asyncio.timeout(link.config.call_timeout.total_seconds()):
                await places.acquire()
        except TimeoutError:
            raise ToolNotCalled(f"the tool server {tool.server!r} is busy; nothing was called") from None
        try:
            return await (await link.session()).call(tool, arguments, key=key)
        except ToolServerUnavailable as error:
            raise ToolNotCalled(error.message) from None
        finally:
            places.release()

    def _link(self, tenant: str, name: str) -> Link:
        link = self._links.get(name)
        if link is None or not link.config.serves(tenant):
            raise UnknownToolServer(name)
        return link

    def _open_wire(self, config: ToolServerConfig) -> AbstractAsyncContextManager[Wire]:
        most_bytes = max(_LEAST_FRAME, config.result_bytes * _ESCAPED)
        if isinstance(config.endpoint, StdioEndpoint):
            return stdio_messages(config.endpoint, server=config.name, most_bytes=most_bytes)
        return http_messages(config, config.endpoint, most_bytes=most_bytes, resolver=self._resolver)
