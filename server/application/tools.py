"""What a caller sees of the operator's tool servers."""

from collections.abc import Sequence
from typing import Final, TypeVar

from server.application.paging import Page, number_position, number_token
from server.domain.principal import Owner
from server.domain.tool import ServerTool
from server.domain.tool_errors import ToolServerNotReady, UnknownTool
from server.ports.tools import ToolServer, ToolServerInfo, ToolServers, ToolServerUnavailable

_SERVERS: Final = "tool-servers"
_TOOLS: Final = "tools"
Item = TypeVar("Item")


class Tools:
    """Tool servers, and their tools."""

    def __init__(self, servers: ToolServers) -> None:
        self._servers = servers

    def servers(self, owner: Owner, *, page_size: int, page_token: str) -> Page[ToolServer]:
        """The servers of the owner's tenant; `page_size` 0 is all. Raises `InvalidPageToken`."""
        return _page(_SERVERS, self._servers.servers(owner.tenant), page_size, page_token)

    async def info(self, owner: Owner, server: str) -> ToolServerInfo:
        """What a server says of itself. Raises `UnknownToolServer`, `ToolServerNotReady`."""
        try:
            return await self._servers.info(owner.tenant, server)
        except ToolServerUnavailable as error:
            raise not_ready(error) from error

    async def tools(self, owner: Owner, server: str, *, page_size: int, page_token: str) -> Page[ServerTool]:
        """A server's tools; `page_size` 0 is all. Raises as `info`, and `InvalidPageToken`."""
        return _page(_TOOLS, await self._tools(owner, server), page_size, page_token)

    async def tool(self, owner: Owner, server: str, name: str) -> ServerTool:
        """The tool of that own name. Raises as `info`, and `UnknownTool`."""
        for tool in await self._tools(owner, server):
            if tool.tool == name:
                return tool
        raise UnknownTool(server=server, tool=name)

    async def _tools(self, owner: Owner, server: str) -> Sequence[ServerTool]:
        try:
            return await self._servers.tools(owner.tenant, server)
        except ToolServerUnavailable as error:
            raise not_ready(error) from error


def not_ready(error: ToolServerUnavailable) -> ToolServerNotReady:
    """The fact for a caller."""
    return ToolServerNotReady(error.message, server=error.server, retry_after=error.retry_after)


def _page(kind: str, found: Sequence[Item], size: int, token: str) -> Page[Item]:
    """Lists that change between two pages may show an item twice or not at all: they are the operator's or a server's,
    and change rarely."""
    begin = number_position(kind, token)
    end = begin + size if size else len(found)
    return Page(list(found[begin:end]), number_token(kind, end) if end < len(found) else None)
