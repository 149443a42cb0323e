"""What files count for: images by their size, recordings by their length, PDFs by their pages, texts by their words."""

import struct

import pytest

from server.domain.attachment import Attachment
from server.domain.attachment_tokens import MOST_TOKENS, PageCount, head_tokens, text_tokens
from server.domain.ids import FileId
from server.domain.image_size import image_size
from server.domain.tokens import TokenEstimator
from tests.support.attached_files import MP3, PDF, WAV, wav
from tests.support.images import DOT, GIF

SIZE = (1234, 567)


def _png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height)


def _jpeg(width: int, height: int, *segments: bytes) -> bytes:
    frame = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width) + bytes(10)
    return b"\xff\xd8" + b"".join(segments) + frame


def _webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\x00\x00\x00\x00WEBP" + kind + b"\x00\x00\x00\x00" + body


_EXIF = b"\xff\xe1" + struct.pack(">H", 60_000) + b"\xff\xc0" * 29_999
_LOSSLESS = struct.pack("<I", (SIZE[0] - 1) | (SIZE[1] - 1) << 14)
_EXTENDED = bytes(4) + (SIZE[0] - 1).to_bytes(3, "little") + (SIZE[1] - 1).to_bytes(3, "little")
HEADS = {
    "PNG": _png(*SIZE),
    "GIF": b"GIF89a" + struct.pack("<HH", *SIZE),
    "JPEG": _jpeg(*SIZE),
    "JPEG behind a thumbnail and fill bytes": _jpeg(*SIZE, _EXIF, b"\xff\xff", b"\xff\xc4\x00\x04ab"[1:]),
    "WebP": _webp(b"VP8 ", bytes(6) + struct.pack("<HH", SIZE[0] | 0x4000, SIZE[1])),
    "WebP without loss": _webp(b"VP8L", b"\x2f" + _LOSSLESS),
    "extended WebP": _webp(b"VP8X", _EXTENDED),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_size_of_an_image_is_in_its_head(kind: str) -> None:
    assert image_size(HEADS[kind]) == SIZE


def test_the_real_ones_are_one_pixel() -> None:
    assert image_size(DOT) == image_size(GIF) == (1, 1)


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_ends_early_says_nothing_and_harms_nobody(kind: str) -> None:
    whole = HEADS[kind]
    for end in {*range(min(len(whole), 40)), len(whole) - 11}:
        assert image_size(whole[:end]) in (None, SIZE)
        assert 0 < head_tokens("image/png", end, whole[:end]) <= 85 + 8 * 170


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1, 1), 85 + 170),
        ((512, 512), 85 + 170),
        ((513, 512), 85 + 2 * 170),
        ((1024, 1024), 85 + 4 * 170),
        ((4096, 8192), 85 + 6 * 170),
        ((100_000, 1), 85 + 4 * 170),
        ((2**32 - 1, 2**32 - 1), 85 + 4 * 170),
        ((0, 7), 85 + 8 * 170),
    ],
)
def test_an_image_counts_by_the_tiles_that_it_is_cut_into(size: tuple[int, int], tokens: int) -> None:
    assert head_tokens("image/png", 9, _png(*size)) == tokens


def test_a_recording_counts_by_its_seconds() -> None:
    assert head_tokens("audio/wav", len(WAV.content), WAV.content) == 32 * 2 + 2
    assert head_tokens("audio/wav", 100_000, wav(1, rate=50_000)) == 32 * 2
    assert head_tokens("audio/wav", 16_000, b"RIFF") == 32
    seconds = len(MP3.content) / 16_000
    assert head_tokens("audio/mpeg", len(MP3.content), MP3.content) == pytest.approx(32 * seconds, abs=1)
    tagged = b"ID3\x04\x00\x00\x00\x00\x02\x00" + b"\xff\xfb\x10\x00" * 64 + b"\xff\xfb\xe0\x00"
    assert head_tokens("audio/mpeg", 40_000, tagged) == 32
    assert head_tokens("audio/mpeg", 1000, b"\xff\xf3\x10\x00") == 32


def test_a_pdf_counts_by_its_pages_wherever_they_are_cut() -> None:
    content = PDF.content + b"3 0 obj << /Type\n/Page >>"
    for size in (1, 7, 40, len(content)):
        count = PageCount()
        for start in range(0, len(content), size):
            count.add(content[start : start + size])
        assert count.pages == 2, size
    assert head_tokens("application/pdf", 10**6, b"%PDF-", pages=2) == 3000
    assert head_tokens("application/pdf", 65_537, b"%PDF-") == 3000
    assert head_tokens("application/pdf", 10**7, b"%PDF-", pages=10**6) == MOST_TOKENS


def test_a_text_counts_by_its_words() -> None:
    attachment = Attachment(FileId("f"), "a.txt", "text/plain", 1, "", tokens=0)
    words = "some more words " * 100
    assert TokenEstimator().text(words) < text_tokens(attachment, words) < TokenEstimator().text(words) + 64
