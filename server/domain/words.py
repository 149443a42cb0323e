"""What a text consists of for a search: words, folded so that those who look for one find it however it was written.

A word is a run of letters, digits and marks that belong to them. It is folded: no case, no compatibility forms, none of
the marks that a reader may leave out (accents, vowel points, variation selectors). In scripts that write no spaces
between words every character is a word of its own, so that any part of such a text is found as a phrase. Both databases
index these words and nothing else, so that they find the same.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_WORDS: Final = 16_384
"""Of a text so many words are searched …"""
MOST_BYTES: Final = 512 * 1024
"""… as long as they are together no longer than this, in UTF-8. PostgreSQL's index takes a MiB for a text."""
LONGEST: Final = 40
"""A longer word counts as its first so many characters."""

_SPACELESS: Final = (
    "\u0e01-\u0e30\u0e32-\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2-\u0eb3\u0ec0-\u0ec6"  # Thai, Lao
    "\u1000-\u102a\u1780-\u17b3"  # Burmese, Khmer
    "\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)


def _ranges(numbers: Iterator[int]) -> str:
    """A character class of code points that come in order."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in found)


# All marks there are, without a look at a million code points; and the two that half-width Japanese has for its own.
_MARKS: Final = _ranges(
    n for n in (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0)) if unicodedata.category(chr(n))[0] == "M"
)
_RUN: Final = re.compile(f"[{_SPACELESS}][{_MARKS}\uff9e\uff9f]*|(?:[^\\W_{_SPACELESS}]|[{_MARKS}])+")
_ASCII_RUN: Final = re.compile("[a-z0-9]+")
_LEFT_OUT: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef\u0640]"
)
_NO_PART: Final = re.compile(f"(?:_|[^\\w{_MARKS}])+")


class Word(NamedTuple):
    """A word as it is compared, and where it stands in its text: from `start` up to but not including `end`."""

    folded: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """The words of a text in order, as many as are searched."""
    size = 0
    for count, word in enumerate(_all(text)):
        size += len(word.folded) if word.folded.isascii() else len(word.folded.encode())
        if count >= MOST_WORDS or size > MOST_BYTES:
            return
        yield word


def folded_words(text: str) -> list[str]:
    """The same words without their places. Cheap for plain text: every message that is stored passes here."""
    if text.isascii() and len(text) <= MOST_BYTES:
        return [found[:LONGEST] for found in _ASCII_RUN.findall(text.lower(), 0)[:MOST_WORDS]]
    return [word.folded for word in words(text)]


def _all(text: str) -> Iterator[Word]:
    if text.isascii():
        for run in _ASCII_RUN.finditer(text.lower()):
            yield Word(run.group()[:LONGEST], *run.span())
        return
    for run in _RUN.finditer(text):
        if folded := _folded(run.group()):
            yield Word(folded, *run.span())


def _folded(run: str) -> str:
    """Empty when nothing is left of it."""
    if run.isascii():
        return run.lower()[:LONGEST]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", run).casefold())
    return _NO_PART.sub("", unicodedata.normalize("NFC", _LEFT_OUT.sub("", plain)))[:LONGEST]
