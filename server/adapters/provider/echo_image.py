"""Echo's images: a symmetric pattern of coloured squares that depends on the prompt alone, written as a PNG."""

import struct
import zlib
from hashlib import sha256
from typing import Final

_CELLS: Final = 8
_CELL_PIXELS: Final = 32
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOUR: Final = 3


def pattern(prompt: str) -> bytes:
    """A PNG of 256 by 256 pixels, mirrored left to right, in two colours; equal for equal prompts."""
    digest = sha256(prompt.encode(errors="replace")).digest()
    side = _CELLS * _CELL_PIXELS
    header = struct.pack(">IIBBBBB", side, side, 8, _PALETTE_COLOUR, 0, 0, 0)
    pixels = b"".join(_rows(digest))
    chunks = ((b"IHDR", header), (b"PLTE", _palette(digest)), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _rows(digest: bytes) -> list[bytes]:
    """The rows of pixels, each an index into the palette, with the filter byte of PNG before every row."""
    half = _CELLS // 2
    rows = []
    for row in range(_CELLS):
        left = [digest[row * half // 8] >> (row * half % 8 + column) & 1 for column in range(half)]
        line = b"".join(bytes([cell]) * _CELL_PIXELS for cell in left + left[::-1])
        rows.extend([b"\0" + line] * _CELL_PIXELS)
    return rows


def _palette(digest: bytes) -> bytes:
    """A light ground and a darker colour on it."""
    ground = bytes(192 + value // 4 for value in digest[16:19])
    return ground + bytes(value * 5 // 8 for value in digest[19:22])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
