"""The tool servers of a configuration without any: the SDK is not even imported for it."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from server.domain.tool import ServerTool
from server.domain.tool_errors import UnknownToolServer
from server.ports.tools import ToolNotCalled, ToolServer


class NoToolServers:
    """Implements `ports.tools.ToolServers`: every name is unknown."""

    def servers(self, tenant: str) -> Sequence[ToolServer]:  # noqa: ARG002 - the port's signature, as below
        """None."""
        return ()

    async def info(self, tenant: str, name: str) -> NoReturn:  # noqa: ARG002
        """Raises `UnknownToolServer`."""
        raise UnknownToolServer(name)

    async def tools(self, tenant: str, name: str) -> NoReturn:  # noqa: ARG002
        """Raises `UnknownToolServer`."""
        raise UnknownToolServer(name)

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> NoReturn:  # noqa: ARG002
        """Raises `ToolNotCalled`."""
        raise ToolNotCalled(f"no tool server is called {tool.server!r}")
