"""A real MCP server of somebody else's, `mcp-server-time`, over its standard input and output."""

import random
import sys
from pathlib import Path

import pytest

from server.adapters.system import SystemClock
from server.adapters.tools.schemas import JsonSchemas
from server.adapters.tools.server_config import StdioEndpoint, ToolServerConfig
from server.adapters.tools.servers import McpServers
from server.domain.tool_errors import UnknownToolServer
from server.ports.tools import InvalidArguments, ToolNotCalled

COMMAND = (str(Path(sys.executable).with_name("mcp-server-time")), "--local-timezone", "UTC")
TIME = ToolServerConfig("time", StdioEndpoint(COMMAND), tenants=frozenset({"acme"}))


async def test_its_tools_are_listed_and_called() -> None:
    schemas = JsonSchemas()
    async with McpServers([TIME], schemas=schemas, clock=SystemClock(), random=random.random) as servers:
        assert [server.name for server in servers.servers("acme")] == ["time"]
        info = await servers.info("acme", "time")
        assert (info.name, info.title) == ("time", "mcp-time")
        tools = {tool.tool: tool for tool in await servers.tools("acme", "time")}
        now = tools["get_current_time"]
        assert now.spec.name == "time__get_current_time"
        arguments = schemas.arguments(now.spec.input_schema, '{"timezone": "Europe/Berlin"}')
        told = await servers.call(now, arguments, key="k1")
        assert '"timezone": "Europe/Berlin"' in told.content
        assert not told.is_error
        assert (await servers.call(now, {"timezone": "Mars/Olympus"}, key="k2")).is_error
        with pytest.raises(InvalidArguments, match="'timezone' is a required property"):
            schemas.arguments(now.spec.input_schema, "{}")


async def test_another_tenants_server_is_as_unknown_as_one_that_does_not_exist() -> None:
    async with McpServers([TIME], schemas=JsonSchemas(), clock=SystemClock(), random=random.random) as servers:
        assert servers.servers("other") == []
        for name in ("time", "none"):
            with pytest.raises(UnknownToolServer):
                await servers.info("other", name)
            with pytest.raises(UnknownToolServer):
                await servers.tools("other", name)


async def test_a_server_that_cannot_be_started_has_not_been_called() -> None:
    missing = ToolServerConfig("missing", StdioEndpoint(("/no/such/program",)))
    async with McpServers([TIME, missing], schemas=JsonSchemas(), clock=SystemClock(), random=random.random) as servers:
        now = (await servers.tools("acme", "time"))[0]
        gone = type(now)("missing", now.tool, now.spec, now.policy)
        with pytest.raises(ToolNotCalled, match="'missing' cannot be started: No such file or directory"):
            await servers.call(gone, {}, key="k")
