"""A `Range` is what RFC 9110 says: what is malformed counts as not said, what no byte satisfies is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.byte_range import ByteRange, asked_range
from server.domain.storage_errors import RangeNotSatisfiable


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 10),
        ("bytes=3-", 3, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-99", 0, 10),
        ("bytes=9-9", 9, 10),
        ("Bytes = 2-3 ", 2, 4),
    ],
)
def test_one_range(text: str, start: int, end: int) -> None:
    assert asked_range(text, 10) == ByteRange(start, end, 10)


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "bytes=5-3", "bytes=0-1,3-4"),
        *("bytes=--1", "bytes=+1-2", "bytes=\u0661-2", "bytes=0-1;x", "bytes=" + "9" * 19 + "-", "bytes=0 -1"),
    ],
)
def test_what_is_none_counts_as_not_said(text: str) -> None:
    assert asked_range(text, 10) is None


@pytest.mark.parametrize(("text", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)])
def test_what_no_byte_satisfies(text: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable):
        asked_range(text, size)


def test_how_it_is_told() -> None:
    assert ByteRange(2, 4, 10).content_range == "bytes 2-3/10"


@given(st.text(max_size=40), st.integers(0, 100))
def test_no_text_is_an_error_of_its_own(text: str, size: int) -> None:
    for each in (text, f"bytes={text}", f"bytes={text}-{text}"):
        try:
            part = asked_range(each, size)
        except RangeNotSatisfiable:
            continue
        assert part is None or 0 <= part.start < part.end <= size
