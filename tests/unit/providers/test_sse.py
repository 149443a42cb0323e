"""The event parser gives the same events however the bytes are cut, and keeps its bounds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.provider.sse import MAX_LINE_BYTES, SseLineTooLong, SseParser

STREAM = (
    ": a comment\r\n"
    "data: one\n\n"
    "event: ignored\rdata:two\r\r"
    "id: 7\r\nretry: 5\r\ndata: first\r\ndata:  second\r\n\r\n"
    "data: Zürich 🏔 \u2028 line\n\n"
    "data\ndata\n\n"
    "data:\n\n"
    "datax: no\nnonsense\n\n"
    "data: [DONE]\n\n"
    "data: never closed\n"
).encode()
EVENTS = [b"one", b"two", b"first\n second", "Zürich 🏔 \u2028 line".encode(), b"\n", b"[DONE]"]


def _parse(chunks: list[bytes], **limits: int) -> list[bytes]:
    parser = SseParser(**limits)
    return [data for chunk in chunks for data in parser.feed(chunk)]


def test_line_ends_comments_other_fields_and_several_data_lines() -> None:
    assert _parse([STREAM]) == EVENTS


def test_cut_once_at_any_byte() -> None:
    for at in range(len(STREAM) + 1):
        assert _parse([STREAM[:at], STREAM[at:]]) == EVENTS, at


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_slices_of_any_size(size: int) -> None:
    assert _parse([STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_cuts(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(STREAM)]
    assert _parse([STREAM[begin:end] for begin, end in pairwise(at)]) == EVENTS


@pytest.mark.parametrize("prefix", [1, 2, 3, 4])
def test_a_byte_order_mark_at_the_start_is_dropped_and_only_there(prefix: int) -> None:
    stream = b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n\xef\xbb\xbfdata: c\n\n"
    assert _parse([stream[:prefix], stream[prefix:]]) == [b"a", b"\xef\xbb\xbfb"]


def test_an_event_without_its_blank_line_is_none() -> None:
    assert _parse([b"data: one\n"]) == []


def test_events_come_with_the_chunk_that_completes_them() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: on")) == []
    assert list(parser.feed(b"e\n")) == []
    assert list(parser.feed(b"\ndata: t")) == [b"one"]
    assert list(parser.feed(b"wo\r")) == []
    assert list(parser.feed(b"\n\r")) == [b"two"]


def test_a_line_of_the_greatest_length_passes() -> None:
    value = b"x" * 90
    assert _parse([b"data: ", value, b"\n\n"], max_line=100) == [value]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: ", b"x" * 200],
        [b"data: " + b"x" * 200 + b"\n\n"],
        [b":" + b"x" * 60, b"x" * 60],
        [b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60 + b"\n\n"],
    ],
    ids=["cut line", "whole line", "comment", "many data lines"],
)
def test_what_is_too_long_is_refused_behind_the_events_before_it(chunks: list[bytes]) -> None:
    parser = SseParser(max_line=100)
    first, *rest = [b"data: before\n\n" + chunks[0], *chunks[1:]]
    events = parser.feed(first)
    assert next(events) == b"before"
    with pytest.raises(SseLineTooLong):
        [*events, *(data for chunk in rest for data in parser.feed(chunk))]


def test_a_line_without_end_is_refused_as_soon_as_it_passes_the_bound() -> None:
    parser, block = SseParser(), b"x" * 65536
    for _ in range(MAX_LINE_BYTES // len(block)):
        assert list(parser.feed(block)) == []
    with pytest.raises(SseLineTooLong):
        list(parser.feed(b"x"))
