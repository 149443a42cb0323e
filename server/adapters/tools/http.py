"""MCP over streamable HTTP, through the SDK with a guarded client of our own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from server.adapters.egress.addresses import Resolve
from server.adapters.tools.guarded_http import GuardedTransport
from server.adapters.tools.inbox import Wire
from server.adapters.tools.server_config import HttpEndpoint, ToolServerConfig


@asynccontextmanager
async def http_messages(
    config: ToolServerConfig, endpoint: HttpEndpoint, *, most_bytes: int, resolver: Resolve
) -> AsyncGenerator[Wire, None]:
    """The two directions of a server that is reached over HTTP. Nothing but the operator's headers goes with the
    requests."""
    seconds = config.connect_timeout.total_seconds()
    transport = GuardedTransport(
        allow_private=endpoint.allow_private_addresses,
        most_bytes=most_bytes,
        # One for each call, one for the stream of the server's own messages, some for what is short.
        connections=config.max_parallel + 4,
        read_seconds=config.call_timeout.total_seconds() + seconds,
        resolver=resolver,
    )
    headers = {"accept-encoding": "identity", **endpoint.headers}
    timeout = httpx2.Timeout(seconds, read=None)
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout, trust_env=False) as client,
        streamable_http_client(endpoint.url, http_client=client, max_sse_event_size=most_bytes) as (read, write),
    ):

        async def receive() -> SessionMessage | Exception | None:
            try:
                return await read.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                return None

        yield Wire(receive, write.send, lambda: str(transport.refusal) if transport.refusal else None)
