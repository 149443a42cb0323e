"""Reads request bodies: whole, within the limit, decompressed."""

import asyncio
import zlib

from gateway.core.problem import Refused, invalid, refused
from gateway.core.status import CONTENT_TOO_LARGE, Code
from gateway.edge.asgi import ClientGone
from gateway.edge.exchange import Exchange

_UNSUPPORTED_MEDIA_TYPE = 415
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_DRAIN_FACTOR = 4
_DRAIN_SECONDS = 1.0


async def read_body(exchange: Exchange, limit: int) -> bytes:
    """Give the body. Raises `Refused` for one that is too large or badly compressed, and `ClientGone`."""
    headers = exchange.headers
    if not has_body(exchange):
        exchange.is_body_taken = True
        return b""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length[:20]) > limit:
        raise too_large(limit)
    arrived = exchange.arrived_body()
    if arrived is not None and len(arrived) > limit:
        raise too_large(limit)
    body = await _whole(exchange, limit) if arrived is None else arrived
    encoding = headers.get(b"content-encoding")
    if encoding is None or not body:
        return body
    return _decompressed(body, encoding.strip().lower(), limit)


def has_body(exchange: Exchange) -> bool:
    """Say whether the request announces a body; in HTTP/1 one that does not has none, and is not waited for."""
    headers = exchange.headers
    length = headers.get(b"content-length")
    if length is not None:
        return length != b"0"
    return b"transfer-encoding" in headers or not exchange.scope["http_version"].startswith("1")


async def drain(exchange: Exchange, limit: int) -> bool:
    """Take and forget what is left of a refused request's body, so that the refusal can be read; False for too much.

    A client that is still sending when its connection is closed loses the reply. One that waits for `100 Continue` has
    not begun, and is not asked to.
    """
    if exchange.is_body_taken or not has_body(exchange):
        return True
    if b"expect" in exchange.headers:
        return False
    taken = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while taken <= limit * _DRAIN_FACTOR:
                event = await exchange.receive()
                if event["type"] != "http.request" or not event.get("more_body"):
                    return True
                taken += len(event["body"])
    except TimeoutError:
        return False
    return False


def too_large(limit: int) -> Refused:
    """Make the refusal of a body over the limit."""
    message = f"the body is larger than {limit} bytes"
    return refused(Code.RESOURCE_EXHAUSTED, message, reason="BODY_TOO_LARGE", http_status=CONTENT_TOO_LARGE)


async def _whole(exchange: Exchange, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await exchange.receive()
        if event["type"] != "http.request":
            raise ClientGone
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        exchange.is_body_taken = not event.get("more_body")
        if size > limit:
            raise too_large(limit)
        if exchange.is_body_taken:
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


def _decompressed(body: bytes, encoding: bytes, limit: int) -> bytes:
    if encoding == b"identity":
        return body
    if encoding != b"gzip":
        raise refused(
            Code.INVALID_ARGUMENT,
            "content-encoding: only gzip and identity are understood",
            reason="UNSUPPORTED_ENCODING",
            http_status=_UNSUPPORTED_MEDIA_TYPE,
        )
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise invalid("content-encoding", "the body is not gzip", reason="INVALID_BODY") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise invalid("content-encoding", "the body is not one whole gzip stream", reason="INVALID_BODY")
    return plain
