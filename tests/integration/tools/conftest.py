"""A scripted MCP server, and what asks it. When a test is over nothing of the servers is left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.adapters.egress.addresses import Resolve, resolve
from server.adapters.system import SystemClock
from server.adapters.tools.schemas import JsonSchemas
from server.adapters.tools.server_config import ToolServerConfig
from server.adapters.tools.servers import McpServers
from server.domain.tool import ServerTool
from tests.support.mcp.scripted import ScriptedMcp

TENANT = "acme"


class Opener:
    """Opens tool servers, closed when the test is over or earlier by `close`."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()

    async def open(self, *configs: ToolServerConfig, resolver: Resolve = resolve) -> McpServers:
        """Entered. Restarts wait as shortly as they may."""
        servers = McpServers(configs, schemas=JsonSchemas(), clock=SystemClock(), random=lambda: 0.0, resolver=resolver)
        return await self._stack.enter_async_context(servers)

    async def close(self) -> None:
        """Leave all of them."""
        await self._stack.aclose()


@pytest.fixture
async def opener(mcp: ScriptedMcp) -> AsyncIterator[Opener]:
    """Afterwards no task, descriptor or process of theirs is left."""
    tasks, descriptors = len(asyncio.all_tasks()), _descriptors()
    opener = Opener()
    yield opener
    await opener.close()
    mcp.open("never")
    await _soon(lambda: len(asyncio.all_tasks()) <= tasks)
    await _soon(lambda: _descriptors() <= descriptors)
    await _soon(lambda: not [pid for pid in (*mcp.started(), *mcp.spawned()) if is_alive(pid)])


@pytest.fixture
def mcp(tmp_path: Path) -> ScriptedMcp:
    """A server without tools."""
    return ScriptedMcp(tmp_path / "mcp")


async def tool_of(servers: McpServers, name: str, server: str = "scripted") -> ServerTool:
    """The tool of that own name."""
    return next(tool for tool in await servers.tools(TENANT, server) if tool.tool == name)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def _soon(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)
