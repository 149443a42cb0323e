"""What a content is: its bytes decide, and nobody's word against them."""

import pytest

from server.domain.errors import InvalidField
from server.domain.media_type import PREFIX_BYTES, declared_type, judged_type
from server.domain.storage_errors import MediaTypeMismatch

PDF = b"%PDF-1.7\n"
ZIP = b"PK\x03\x04\x14\x00"
MP4 = b"\x00\x00\x00\x18ftypisom"
WAVE = b"RIFF\x24\x00\x00\x00WAVEfmt "
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BINARY = b"\x00\x01\x02"


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("", ""),
        ("application/octet-stream", ""),
        ("Text/HTML; charset=utf-8", "text/html"),
        (" image/svg+xml ", "image/svg+xml"),
    ],
)
def test_a_declared_type_is_bare(text: str, declared: str) -> None:
    assert declared_type(text) == declared


@pytest.mark.parametrize(
    "text", ["text", "text/", "/plain", "text/pl ain", "text/plain\r\nx: y", "a/b/c", "tëxt/plain"]
)
def test_what_is_no_media_type_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        declared_type(text)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"),
        (ZIP, "application/zip"),
        (MP4, "video/mp4"),
        (WAVE, "audio/wav"),
        (PNG, "image/png"),
        (b"MZ\x90\x00", "application/x-msdownload"),
        (b"", "text/plain"),
        ("käse\n".encode(), "text/plain"),
        (BINARY, "application/octet-stream"),
        (b"\xff\xfe", "application/octet-stream"),
    ],
)
def test_an_undeclared_content_is_what_it_shows(content: bytes, media_type: str) -> None:
    assert judged_type(content, "") == media_type


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (ZIP, DOCX),
        (MP4, "audio/mp4"),
        (b"<p>", "text/html"),
        (b"{}", "application/json"),
        (BINARY, "application/x-own"),
        (PDF, "application/pdf"),
    ],
)
def test_a_declared_type_counts_where_nothing_contradicts(content: bytes, declared: str) -> None:
    assert judged_type(content, declared) == declared


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (b"<script>", "image/png"),
        (b"MZ\x90\x00", "application/pdf"),
        (PDF, "text/plain"),
        (PNG, "image/jpeg"),
        (ZIP, "application/pdf"),
        (BINARY, "text/html"),
        (BINARY, "application/json"),
        (PDF, DOCX),
    ],
)
def test_a_declared_type_that_the_bytes_contradict_is_refused(content: bytes, declared: str) -> None:
    with pytest.raises(MediaTypeMismatch):
        judged_type(content, declared)


def test_a_letter_cut_in_two_by_the_prefix_is_still_text() -> None:
    prefix = b"x" * (PREFIX_BYTES - 1) + "ä".encode()[:1]
    assert judged_type(prefix, "") == "text/plain"
    assert judged_type(prefix[1:], "") == "application/octet-stream"
