"""Facts about tools and their servers that make a call fail."""

from datetime import timedelta

from server.domain.errors import ParleyError


class UnknownToolServer(ParleyError):
    """The operator configured no tool server of that name for the caller's tenant."""

    reason = "TOOL_SERVER_NOT_FOUND"

    def __init__(self, server: str) -> None:
        super().__init__(f"server_name: no tool server is called {server!r}", metadata={"server": server})


class UnknownTool(ParleyError):
    """The server has no tool of that name, or none that can be used."""

    reason = "TOOL_NOT_FOUND"

    def __init__(self, *, server: str, tool: str) -> None:
        super().__init__(
            f"tool_name: the tool server {server!r} has no tool {tool!r}", metadata={"server": server, "tool": tool}
        )


class ToolServerNotReady(ParleyError):
    """The tool server cannot be asked now; nothing was called."""

    reason = "TOOL_SERVER_UNAVAILABLE"

    def __init__(self, message: str, *, server: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, metadata={"server": server})
        self.retry_after = retry_after


class ToolForbidden(ParleyError):
    """The operator's policy denies the tool to everybody."""

    reason = "TOOL_DENIED"

    def __init__(self, *, server: str, tool: str) -> None:
        super().__init__(
            f"the operator does not permit the tool {tool!r} of {server!r}", metadata={"server": server, "tool": tool}
        )


class ToolCallUnsettled(ParleyError):
    """A call was begun under the caller's mark and no outcome of it is stored."""

    reason = "TOOL_CALL_UNSETTLED"

    def __init__(self, *, server: str, tool: str) -> None:
        super().__init__(
            f"the tool {tool!r} of {server!r} was called under this idempotency key, and what became of it is not "
            "known, or not yet; it is not called again. Look at what the tool works on, then use another key",
            metadata={"server": server, "tool": tool},
        )
