"""Serves the toy for the bench: `python -m tests.support.toy.bench_server in_process|channel|constant`.

It prints its HTTP port and the ids of further processes that take part, and ends with its standard input.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvloop
from google.protobuf import descriptor_pool
from grpc import aio

from gateway.bootstrap import HttpServer, build_app
from gateway.edge.app import App
from gateway.edge.upstream import ChannelUpstream, InProcessUpstream, Upstream
from tests.support.toy import SERVICES, Record, add_all, compiled

REPLY = b'{"text":"hello there","number":7,"flag":true,"names":["a","b"],"inner":{"text":"deep"}}'


class Timing(aio.ServerInterceptor):
    """Does what an ordinary interceptor does: reads the metadata, wraps the handler, looks at the clock."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap unary handlers."""
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        inner = handler.unary_unary
        dict(details.invocation_metadata)

        async def timed(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            try:
                return await inner(request, context)
            finally:
                self.seconds += time.perf_counter() - started

        return grpc.unary_unary_rpc_method_handler(timed, handler.request_deserializer, handler.response_serializer)


class Constant(App):
    """Gives the same reply to everything: what HTTP alone costs."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body and reply."""
        await receive()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(REPLY))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": REPLY})


@contextlib.asynccontextmanager
async def upstream_of(kind: str) -> AsyncIterator[tuple[Upstream, list[int]]]:
    """Give the upstream, and the ids of the processes behind it."""
    if kind != "channel":
        inside = InProcessUpstream([Timing()])
        add_all(inside, Record())
        yield inside, []
        return
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.toy.bench_server", "grpc", stdin=pipe, stdout=pipe
    )
    assert server.stdout is not None
    assert server.stdin is not None
    channel = ChannelUpstream(f"127.0.0.1:{int(await server.stdout.readline())}")
    yield channel, [server.pid]
    await channel.stop()
    server.stdin.close()
    await server.wait()


async def serve_grpc() -> None:
    """Serve the toy over gRPC until the standard input ends."""
    server = aio.server(interceptors=[Timing()], options=[("grpc.so_reuseport", 0)])
    add_all(server, Record())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


async def serve_http(kind: str) -> None:
    """Serve the toy over HTTP until the standard input ends."""
    compiled()
    async with upstream_of(kind) as (upstream, pids):
        app = build_app(pool=descriptor_pool.Default(), services=SERVICES, upstream=upstream)
        if kind == "constant":
            app.__class__ = Constant
        async with HttpServer(app, host="127.0.0.1", port=0, grace=0.1) as server:
            print(server.port, *pids, flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    chosen = sys.argv[1]
    if chosen == "grpc":
        asyncio.run(serve_grpc())
    else:
        uvloop.run(serve_http(chosen))
