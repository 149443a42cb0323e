"""Small files of every kind that a message can bring along, and who uploads them."""

import struct
from dataclasses import dataclass
from typing import Final

from server.application.uploads import NewFile
from server.domain.principal import Principal
from server.domain.storage import StoredFile
from tests.support.house import ANNA, House
from tests.support.images import DOT


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to upload."""

    name: str
    media_type: str
    content: bytes


def wav(seconds: int, rate: int = 1000) -> bytes:
    """Silence: one byte a sample."""
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    return b"RIFF" + struct.pack("<I", 36 + seconds * rate) + b"WAVE" + head + b"data" + bytes(4 + seconds * rate)


CSV: Final = Sample("sales.csv", "text/csv", b"month,sum\nMay,7\n")
IMAGE: Final = Sample("dot.png", "image/png", DOT)
WAV: Final = Sample("hello.wav", "audio/wav", wav(2))
MP3: Final = Sample("hello.mp3", "audio/mpeg", b"\xff\xfb\x90\x00" + bytes(4000))
PDF: Final = Sample(
    "paper.pdf", "application/pdf", b"%PDF-1.4\n1 0 obj <</Type /Pages>>\n2 0 obj <</Type/Page>>\n%%EOF"
)
ZIP: Final = Sample("all.zip", "application/zip", b"PK\x03\x04" + bytes(100))


async def uploaded(house: House, sample: Sample, *, by: Principal = ANNA) -> StoredFile:
    """The file, kept by a user."""
    return await house.uploads.upload(by, NewFile(sample.name, media_type=sample.media_type), sample.content)
