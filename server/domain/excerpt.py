"""The part of a text that shows why a search found it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from server.domain.message_query import MessageQuery, Term
from server.domain.words import Word, words

BEFORE: Final = 60
"""Characters in front of the first thing found …"""
LENGTH: Final = 240
"""… and of the whole excerpt, at most."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """A part of an excerpt: from `start` up to but not including `end`, counted in UTF-16 code units."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a text as it was written, and what in it was looked for: in order, apart from each other."""

    text: str
    highlights: tuple[Highlight, ...]
    begins_text: bool
    """Whether nothing stands before it …"""
    ends_text: bool
    """… and nothing behind."""


def excerpt(text: str, query: MessageQuery) -> Excerpt:
    """The surroundings of the first thing in the text that the query wants; its beginning, if there is none."""
    seen: list[Word] = []
    found: list[tuple[int, int]] = []
    end = len(text)
    for word in words(text):
        if word.start >= end:
            break
        seen.append(word)
        spans = [span for term in query.wanted if (span := _span(seen, term)) is not None]
        if spans and not found:
            end = min(spans)[0] + LENGTH - BEFORE
        found += spans
    first = min(found)[0] if found else 0
    start = _start(seen, first)
    stop = _stop(text, seen, start)
    return Excerpt(
        text=text[start:stop],
        highlights=tuple(_highlights(text, found, start, stop)),
        begins_text=start == 0,
        ends_text=stop == len(text),
    )


def _span(seen: Sequence[Word], term: Term) -> tuple[int, int] | None:
    """Where the term stands, if it ends with the last of the words."""
    *before, last = term.words
    word = seen[-1]
    if word.folded != last and not (term.is_prefix and word.folded.startswith(last)):
        return None
    if before and [each.folded for each in seen[-len(term.words) : -1]] != before:
        return None
    return seen[-len(term.words)].start, word.end


def _start(seen: Sequence[Word], first: int) -> int:
    """Where an excerpt begins that is to show what stands at `first`: with a word, if one begins near."""
    if first <= BEFORE:
        return 0
    return next((word.start for word in seen if first - BEFORE <= word.start <= first), first)


def _stop(text: str, seen: Sequence[Word], start: int) -> int:
    """Where it ends: behind a word, unless that is longer than the excerpt may be."""
    limit = start + LENGTH
    if len(text) <= limit:
        return len(text)
    return next((word.end for word in reversed(seen) if start < word.end <= limit), limit)


def _highlights(text: str, found: Sequence[tuple[int, int]], start: int, stop: int) -> list[Highlight]:
    """The spans that lie within the excerpt; what overlaps, or is found twice, is one."""
    merged: list[list[int]] = []
    for begin, end in sorted(set(found)):
        if begin >= stop:
            break
        if merged and begin < merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], min(end, stop))
        else:
            merged.append([begin, min(end, stop)])
    highlights, at, units = [], start, 0
    for begin, end in merged:
        units += _units(text[at:begin])
        width = _units(text[begin:end])
        highlights.append(Highlight(units, units + width))
        at, units = end, units + width
    return highlights


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
