"""The MCP servers of the operator's configuration, their tools, and calling one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from server.domain.tool import ServerTool, ToolPolicy


class ToolServerUnavailable(Exception):
    """A server cannot be asked now: it does not start, does not answer, or breaks the protocol. `message` is for the
    caller; nothing a server wrote is in it."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(message)
        self.server = server
        self.message = message


class ToolNotCalled(Exception):
    """The call never left: the tool has certainly not run. `message` is for model and caller."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ToolOutcomeUnknown(Exception):
    """The call left and no answer came (in time): the tool may or may not have run. `message` as above."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A configured server, asked nothing yet."""

    name: str
    description: str
    transport: str
    """`stdio` or `http`."""
    policy: ToolPolicy
    """Of its tools that have none of their own."""


@dataclass(frozen=True, slots=True)
class ToolServerInfo:
    """What a connected server says of itself: data that nobody trusts."""

    name: str
    """Its name in the configuration."""
    title: str
    version: str
    protocol_version: str
    instructions: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered. `content` is its text blocks joined (other kinds are named, not shown), at most as long as
    the server's cap, with a marker where it was cut."""

    content: str
    is_error: bool = False
    is_cut: bool = False
    duration: timedelta = timedelta()


class ToolServers(Protocol):
    """The configured servers. Safe to use from many tasks of one loop. A tenant sees those that its operator gave it;
    another's is as unknown as one that does not exist."""

    def servers(self, tenant: str) -> Sequence[ToolServer]:
        """Those that the tenant may use, in the order of the configuration."""
        ...

    async def info(self, tenant: str, name: str) -> ToolServerInfo:
        """What a server says of itself. Raises `UnknownToolServer`, `ToolServerUnavailable`."""
        ...

    async def tools(self, tenant: str, name: str) -> Sequence[ServerTool]:
        """Its tools as they are now, those that the policy denies included. Kept until the server says that they
        changed, or is connected anew. Raises `UnknownToolServer`, `ToolServerUnavailable`."""
        ...

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> ToolResult:
        """Call a tool once; nothing is retried. `key` goes with the call as its metadata and is the same whenever the
        same call is made again. An error that the tool or the server answers is a `ToolResult` with `is_error`.

        Raises `ToolNotCalled`, `ToolOutcomeUnknown`; the time-out of the server's configuration is one of the latter.
        Cancelling the caller tells the server that nobody waits any more.
        """
        ...
