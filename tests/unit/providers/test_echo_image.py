"""Echo draws real images, each prompt its own."""

import struct
import zlib
from collections.abc import Iterator

import pytest

from server.adapters.provider.echo import EchoProvider
from server.adapters.provider.echo_image import pattern
from server.ports.provider import ImageRequest
from tests.unit.providers.clocks import InstantClock

SIDE = 256


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with its checksum proven."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length) == (zlib.crc32(kind + data),)
        yield kind, data
        at += 12 + length


@pytest.mark.parametrize("prompt", ["a dot", "", "Zürich 🏔", "x" * 100_000, "\ud83c"])
def test_a_pattern_is_a_valid_png(prompt: str) -> None:
    found = dict(chunks(pattern(prompt)))
    assert list(found) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", found[b"IHDR"]) == (SIDE, SIDE, 8, 3, 0, 0, 0)
    pixels = zlib.decompress(found[b"IDAT"])
    rows = [pixels[at : at + SIDE + 1] for at in range(0, len(pixels), SIDE + 1)]
    assert len(rows) == SIDE
    assert all(row[0] == 0 and row[1:] == row[:0:-1] for row in rows)
    assert set(pixels) <= {0, 1}
    assert len(found[b"PLTE"]) == 2 * 3


def test_equal_prompts_give_equal_images_and_others_do_not() -> None:
    assert pattern("a dot") == pattern("a dot")
    assert len({pattern(f"prompt {number}") for number in range(50)}) == 50


async def test_echo_draws_for_any_model() -> None:
    image = await EchoProvider(name="echo", clock=InstantClock()).draw(ImageRequest("any", "a dot"))
    assert (image.content, image.media_type) == (pattern("a dot"), "image/png")
