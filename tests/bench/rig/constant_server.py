"""The floor: the gateway's own HTTP server with nothing behind it but a constant reply.

`/bytes/N` is answered with N bytes, `/events/COUNT/SIZE` with that many server-sent events of that size, one write
each. What it costs is what no service on this HTTP server can do without.
"""

import asyncio
import functools
from typing import Any, cast

import uvloop

from gateway.config import GatewayConfig
from gateway.edge.app import App
from gateway.edge.asgi import Receive, Scope, Send
from gateway.edge.fixed_headers import FixedHeaders
from gateway.edge.server import HttpServer

_HEAD = (b"content-type", b"application/json")


class Constant:
    """What `HttpServer` needs of an application, and a reply that depends on the path alone."""

    config = GatewayConfig()
    fixed_headers = FixedHeaders()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        while (await receive()).get("more_body"):
            pass
        kind, *sizes = scope["path"].strip("/").split("/")
        if kind == "bytes":
            body = _filler(int(sizes[0]))
            length = (b"content-length", b"%d" % len(body))
            await send({"type": "http.response.start", "status": 200, "headers": [_HEAD, length]})
            await send({"type": "http.response.body", "body": body})
            return
        event = _filler(int(sizes[1]) - 2) + b"\n\n"
        await send({"type": "http.response.start", "status": 200, "headers": [_HEAD]})
        for _ in range(int(sizes[0])):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def stop_readiness(self) -> None:
        """Nobody asks."""

    def interrupt_streams(self) -> None:
        """They end by themselves."""

    def error(self, raw_path: bytes, problem: Any) -> Any:
        """The load is well-formed."""
        raise AssertionError(f"{raw_path!r}: {problem}")


@functools.cache
def _filler(size: int) -> bytes:
    return b"x" * size


async def _serve() -> None:
    async with HttpServer(cast("App", Constant()), host="127.0.0.1", port=0) as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
