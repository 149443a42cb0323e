"""The MCP servers of the operator's configuration, their tools, and calling one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from server.domain.tool import ServerTool, ToolPolicy


class ToolServerUnavailable(Exception):
    """A server cannot be asked now: it does not start, does not answer, or breaks the protocol. `message` is for the
    caller and says what to do; nothing a server wrote is in it. `retry_after` is when it will be tried again."""

    def __init__(self, server: str, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.server = server
        self.message = message
        self.retry_after = retry_after


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


class InvalidSchema(Exception):
    """A tool's schema is none that arguments can be held against; `message` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArguments(Exception):
    """Arguments that a tool must not be called with; `message` is for the model that wrote them, and says where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ToolSchemas(Protocol):
    """JSON Schema, for tools of servers and of clients alike. Schemas and arguments are untrusted: neither can take
    long, fetch anything, or run a regular expression that backtracks. Safe to use from any thread."""

    def canonical(self, schema: Mapping[str, Any]) -> str:
        """The schema as JSON text, the same for the same schema whatever the order of its keys. It is that of an
        object, at most 64 KiB long and 24 deep, and refers to nothing outside itself. Raises `InvalidSchema`."""
        ...

    def arguments(self, schema: str, text: str) -> Mapping[str, Any]:
        """The arguments that a model wrote as JSON text (blank: none), held against a canonical schema. Raises
        `InvalidArguments`: no JSON, a key twice, no object, deeper than 24, or not what the schema asks for."""
        ...


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


CALL_KEY = "parley/call-key"
"""Where in the `_meta` of a `tools/call` its key stands: the same whenever the same call is made again, so that a
server can tell a repetition from a second call."""


class ToolServers(Protocol):
    """The configured servers. Safe to use from many tasks of one loop. A tenant sees those that its operator gave it;
    another's is as unknown as one that does not exist."""

    def servers(self, tenant: str) -> Sequence[ToolServer]:
        """Those that the tenant may use, in the order of the configuration."""
        ...

    async def info(self, tenant: str, name: str) -> ToolServerInfo:
        """What a server says of itself. Raises `domain.tool_errors.UnknownToolServer`, `ToolServerUnavailable`."""
        ...

    async def tools(self, tenant: str, name: str) -> Sequence[ServerTool]:
        """Its tools as they are now, those that the policy denies included; definitions that cannot be used are
        left out. Kept until the server says that they changed, or is connected anew. Raises `UnknownToolServer`,
        `ToolServerUnavailable`."""
        ...

    async def call(self, tool: ServerTool, arguments: Mapping[str, Any], *, key: str) -> ToolResult:
        """Call a tool once; nothing is retried. `key` goes with the call as its metadata `CALL_KEY` and is the same
        whenever the same call is made again. An error that the tool or the server answers is a `ToolResult` with
        `is_error`.

        Raises `ToolNotCalled`, `ToolOutcomeUnknown`; the time-out of the server's configuration is one of the latter.
        Cancelling the caller tells the server that nobody waits any more.
        """
        ...
