"""gzip for unary replies, when the caller takes it and the reply is worth it."""

import asyncio
import zlib

_LEVEL = 4  # most of the saving for a third of the time of level 9
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# Above this size the loop would stand still for milliseconds; zlib works without the interpreter's lock.
_THREADED = 128 * 1024


def takes_gzip(accept_encoding: bytes) -> bool:
    """Say whether an `Accept-Encoding` header allows gzip."""
    for item in accept_encoding.lower().split(b","):
        coding, _, parameters = item.partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            quality = parameters.replace(b" ", b"")
            return not quality.startswith(b"q=0") or quality.strip(b"q=.0") != b""
    return False


async def compressed(body: bytes) -> bytes:
    """Give the body as one gzip stream."""
    if len(body) > _THREADED:
        return await asyncio.to_thread(_compress, body)
    return _compress(body)


def _compress(body: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return deflater.compress(body) + deflater.flush()
