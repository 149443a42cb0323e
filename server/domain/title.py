"""Titles of conversations: what an untitled one is called, and what becomes a title. Pure."""

import re
import unicodedata
from typing import Final

from server.domain.thoughts import without_thoughts

DEFAULT_TITLE: Final = "New Chat"
"""The name of a conversation that nobody and no model has named yet."""
MAX_CHARACTERS: Final = 80
_FIRST_WORDS: Final = 6
_READ_CHARACTERS: Final = 4096
"""So much of a message is read for a title."""
_ELLIPSIS: Final = "…"

_LABEL: Final = re.compile(r"(?:(?:chat|conversation)\s+)?title\s*[:\uff1a]\s*", re.IGNORECASE)
_MARKUP: Final = "#*_`>-\u2022~ "
_QUOTES: Final = (
    "\"'`*_ \u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f"
)
_JOINERS: Final = "\u200c\u200d"


def title_of(said: str) -> str:
    """The title in what a model said: its first line without label, markup, quotes and final full stop, at most
    `MAX_CHARACTERS` long; empty when there is none."""
    lines = (_plain(line) for line in without_thoughts(said).splitlines())
    line = next((line for line in lines if line.strip(_MARKUP)), "")
    unlabelled = _LABEL.sub("", line.lstrip(_MARKUP), count=1)
    bare = unlabelled.strip(_QUOTES)
    title = _cut(bare if bare.endswith("..") else bare.removesuffix(".").strip(_QUOTES))
    return "" if title.casefold() == DEFAULT_TITLE.casefold() else title


def first_words(message: str) -> str:
    """A title made of the beginning of a message; empty when it has no words."""
    words = _plain(message.lstrip()[:_READ_CHARACTERS]).split()
    begun = " ".join(words[:_FIRST_WORDS])
    return _cut(begun if len(words) <= _FIRST_WORDS else f"{begun}{_ELLIPSIS}")


def _plain(text: str) -> str:
    """The text on one line, without control and format characters but those that emoji and scripts are joined with."""
    spaced = " ".join(text.split())
    return "".join(
        character for character in spaced if character in _JOINERS or unicodedata.category(character)[0] != "C"
    )


def _cut(text: str) -> str:
    """The text of at most `MAX_CHARACTERS`, cut between two words where there are any."""
    if len(text) <= MAX_CHARACTERS:
        return text
    room = text[: MAX_CHARACTERS - len(_ELLIPSIS)]
    whole_words = room.rpartition(" ")[0]
    return f"{(whole_words or room).rstrip(' ' + _ELLIPSIS)}{_ELLIPSIS}"
