"""The body of a request as the messages of a client stream, as fast as the service asks for them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from gateway.core.problem import refused
from gateway.core.status import Code
from gateway.edge.body import has_body
from gateway.edge.exchange import Exchange
from gateway.edge.watch import Watch

_UNSUPPORTED_MEDIA_TYPE: Final = 415
_PIECE_BYTES: Final = 256 * 1024


def check_encoding(exchange: Exchange) -> None:
    """Raise `Refused` for a compressed body: it is passed on as it comes, and would be stored compressed."""
    encoding = exchange.headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity":
        raise refused(
            Code.INVALID_ARGUMENT,
            "content-encoding: this body is taken as it comes; only identity is understood",
            reason="UNSUPPORTED_ENCODING",
            http_status=_UNSUPPORTED_MEDIA_TYPE,
        )


async def messages(
    exchange: Exchange, first: Any, piece: Callable[[bytes, bool], Any], watch: Watch
) -> AsyncGenerator[Any, None]:
    """Give `first`, then the body as it arrives. Nothing is received before it is asked for, so that the client sends
    no faster than the service takes, and memory holds a piece at a time.

    A client that leaves has the exchange cancelled by the watch; what waits here ends with it.
    """
    yield first
    if not has_body(exchange):
        exchange.is_body_taken = True
    while not exchange.is_body_taken:
        watch.await_body()
        event = await exchange.receive()
        watch.rest()
        if event["type"] != "http.request":
            watch.client_left()
            await asyncio.Event().wait()  # until this is cancelled with the call
        body: bytes = event.get("body", b"")
        exchange.is_body_taken = not event.get("more_body")
        for start in range(0, len(body), _PIECE_BYTES):
            yield piece(body[start : start + _PIECE_BYTES], False)
    watch.body_arrived()
    yield piece(b"", True)
