"""Opens the tool servers of the configuration."""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from server.adapters.tools.none import NoToolServers
from server.adapters.tools.server_config import ToolServerConfig
from server.ports.system import Clock
from server.ports.tools import ToolSchemas, ToolServers


@asynccontextmanager
async def opened_tool_servers(
    configs: Sequence[ToolServerConfig], *, schemas: ToolSchemas, clock: Clock
) -> AsyncGenerator[ToolServers, None]:
    """The tool servers; none is started before it is asked, so a broken one does not keep the service from starting.
    On leaving all are ended. The SDK takes half a second to import, which only those pay who configure a server."""
    if not configs:
        yield NoToolServers()
        return
    from server.adapters.tools.servers import McpServers

    async with McpServers(configs, schemas=schemas, clock=clock, random=random.random) as servers:
        yield servers
