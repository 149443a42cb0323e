"""Width and height of images, from the first bytes of their files. Pure; decodes nothing."""

import struct
from typing import Final

_MARK: Final = 0xFF
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG behind which its size stands; the others of these numbers are tables."""


def image_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the head of a PNG, GIF, WebP or JPEG names."""
    try:
        if head.startswith(b"\x89PNG"):
            return struct.unpack(">II", head[16:24])
        if head.startswith(b"GIF8"):
            return struct.unpack("<HH", head[6:10])
        if head.startswith(b"RIFF"):
            return _webp_size(head)
        return _jpeg_size(head)
    except (struct.error, IndexError):
        return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            sides = struct.unpack("<3s3s", head[24:30])
            width, height = (int.from_bytes(side, "little") + 1 for side in sides)
            return width, height
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """From the first frame header behind the other segments."""
    place = 2
    while place + 4 <= len(head) and head[place] == _MARK:
        marker, length = head[place + 1], int.from_bytes(head[place + 2 : place + 4], "big")
        if marker == _MARK:  # fill bytes may stand in front of a marker
            place += 1
        elif marker in _FRAMES:
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return width, height
        else:
            place += 2 + max(2, length)
    return None
