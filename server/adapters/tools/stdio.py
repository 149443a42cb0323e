"""MCP over the standard input and output of a child: one JSON-RPC message a line."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from server.adapters.tools.child import Child, running_child
from server.adapters.tools.inbox import Wire
from server.adapters.tools.server_config import StdioEndpoint

_MAYBE_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_MOST_GARBAGE: Final = 256
"""Lines between two messages that may be none: banners and debug prints are common, endless ones are a fault."""


@asynccontextmanager
async def stdio_messages(endpoint: StdioEndpoint, *, server: str, most_bytes: int) -> AsyncGenerator[Wire, None]:
    """The two directions of a server that is started for this and ended on leaving. The SDK's own transport keeps a
    line of any length in memory; here one above `most_bytes` ends the connection. Raises `OSError`."""
    async with running_child(endpoint, server=server, most_line_bytes=most_bytes) as child:

        async def receive() -> SessionMessage | None:
            return await _next_message(child)

        async def send(item: SessionMessage) -> None:
            line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            if not child.write(line.encode() + b"\n"):
                raise anyio.BrokenResourceError

        yield Wire(receive, send)


async def _next_message(child: Child) -> SessionMessage | None:
    for _ in range(_MOST_GARBAGE):
        line = await child.line()
        if line is None:
            return None
        message = _message(line)
        if message is None and _MAYBE_HALF.search(line):
            message = _message(_without_halves(line))
        if message is not None:
            return message
    return None


def _message(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


def _without_halves(line: bytes) -> bytes:
    """The line without halves of surrogate pairs, which no text can hold; as it is when it is no JSON. Servers in
    Python write them for names of files that are no UTF-8, and a call whose answer is dropped hangs."""
    try:
        return json.dumps(json.loads(line), ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):
        return line
