"""Estimates what a file takes of a model's context, from its size and its first bytes. Pure.

Providers reckon differently, and few say how; these are the higher of the published figures, so that a request rather
carries less than it could than more. What a provider then reports calibrates them like every other estimate.
"""

import math
import re
from typing import Final

from server.domain.attachment import Attachment, AttachmentKind, kind_of
from server.domain.enclosure import FRAME_TOKENS, plain_name
from server.domain.image_size import image_size
from server.domain.tokens import TokenEstimator

HEAD_BYTES: Final = 256 * 1024
"""How much of a content's beginning `head_tokens` wants to see: an image's size may stand behind its thumbnail."""
MOST_TOKENS: Final = 1_000_000
"""What a file counts for at most, whatever it says of itself; no model takes more."""

# An image is fitted into a square of 2048 pixels and its shorter side shrunk to 768, then each square of 512 costs.
_LONGEST_SIDE: Final = 2048
_SHORTER_SIDE: Final = 768
_TILE: Final = 512
_TILE_TOKENS: Final = 170
_IMAGE_TOKENS: Final = 85
_MOST_IMAGE_TOKENS: Final = _IMAGE_TOKENS + 8 * _TILE_TOKENS

_SECOND_TOKENS: Final = 32
_USUAL_BYTES_A_SECOND: Final = 16_000
_LEAST_BYTES_A_SECOND: Final = 1000
_MP3_KILOBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KILOBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_FRAME: Final = re.compile(rb"\xff([\xf2\xf3\xfa\xfb])([\x10-\xef])")
_MPEG_1: Final = (b"\xfa", b"\xfb")
_BYTES_OF_KILOBIT: Final = 125
_TAG_HEAD: Final = 10

_PAGE_TOKENS: Final = 1500
"""Its text and its picture."""
_BYTES_OF_PAGE: Final = 64 * 1024
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
_LONGEST_PAGE_MARK: Final = 32


def text_tokens(attachment: Attachment, text: str) -> int:
    """Tokens of a text in its frame."""
    estimator = TokenEstimator()
    return FRAME_TOKENS + estimator.text(plain_name(attachment.name)) + estimator.text(text)


def head_tokens(media_type: str, size: int, head: bytes, *, pages: int = 0) -> int:
    """Tokens of an image, a recording or a PDF of so many bytes; `pages` are those that `PageCount` saw."""
    match kind_of(media_type):
        case AttachmentKind.IMAGE:
            tokens = _image_tokens(head)
        case AttachmentKind.AUDIO:
            rate = _wav_rate(head) if head.startswith(b"RIFF") else _mp3_rate(head)
            tokens = math.ceil(size / max(_LEAST_BYTES_A_SECOND, rate or _USUAL_BYTES_A_SECOND) * _SECOND_TOKENS)
        case _:
            # Pages that are packed away cannot be counted.
            tokens = (pages or math.ceil(size / _BYTES_OF_PAGE)) * _PAGE_TOKENS
    return min(tokens, MOST_TOKENS)


class PageCount:
    """Counts the pages of a PDF that comes in pieces."""

    def __init__(self) -> None:
        self.pages = 0
        self._tail = b""

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        seen = self._tail + piece
        self.pages += len(_PAGE.findall(seen)) - len(_PAGE.findall(self._tail))
        self._tail = seen[-_LONGEST_PAGE_MARK:]


def _image_tokens(head: bytes) -> int:
    size = image_size(head)
    if size is None or not all(size):
        return _MOST_IMAGE_TOKENS
    scale = min(1.0, _LONGEST_SIDE / max(size))
    scale *= min(1.0, _SHORTER_SIDE / (min(size) * scale))
    tiles = math.prod(max(1, math.ceil(round(side * scale) / _TILE)) for side in size)
    return min(_MOST_IMAGE_TOKENS, _IMAGE_TOKENS + tiles * _TILE_TOKENS)


def _wav_rate(head: bytes) -> int | None:
    """Bytes a second, as its format chunk names them."""
    place = 12
    while place + 16 <= len(head):
        if head[place : place + 4] == b"fmt ":
            return int.from_bytes(head[place + 16 : place + 20], "little") or None
        place += 8 + int.from_bytes(head[place + 4 : place + 8], "little")
    return None


def _mp3_rate(head: bytes) -> int | None:
    """Bytes a second, as the first frame behind the tags names them."""
    frame = _MP3_FRAME.search(head, _end_of_tags(head))
    if frame is None:
        return None
    rates = _MP3_KILOBITS if frame[1] in _MPEG_1 else _MP3_KILOBITS_2
    return rates[frame[2][0] >> 4] * _BYTES_OF_KILOBIT


def _end_of_tags(head: bytes) -> int:
    """Tags are as long as they say in numbers of seven bits a byte."""
    if not head.startswith(b"ID3"):
        return 0
    return _TAG_HEAD + sum(
        (byte & 0x7F) << shift for byte, shift in zip(head[6:_TAG_HEAD], (21, 14, 7, 0), strict=False)
    )
