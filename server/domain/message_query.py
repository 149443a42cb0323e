"""What somebody looks for in messages, read from the words they typed.

All words must occur. `"words in quotes"` must occur side by side; a quote that is not closed ends with the query. `-`
in front of a word or a quote excludes it, `*` behind a word stands for any ending. Everything else is punctuation: it
separates words, and words that it holds together (`it's`, `a@b.example`, `column:word`) must occur side by side. There
are no operators, so no text is badly formed.
"""

import re
from dataclasses import dataclass
from typing import Final

from server.domain.errors import FieldViolation, InvalidField
from server.domain.search_errors import SearchQueryEmpty
from server.domain.words import folded_words

MOST_TERMS: Final = 32
MOST_WORDS: Final = 64
_CHUNK: Final = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """Words that occur side by side; with `is_prefix` the last may go on."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_excluded: bool = False


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Every term of `wanted`, of which there is at least one, occurs, none of `excluded` does."""

    wanted: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()


def read_query(text: str) -> MessageQuery:
    """The query of a text. Raises `SearchQueryEmpty` when it names nothing that must occur, `InvalidField` when it has
    too many words."""
    terms = dict.fromkeys(term for chunk in _CHUNK.finditer(text) if (term := _term(*chunk.groups())).words)
    if len(terms) > MOST_TERMS or sum(len(term.words) for term in terms) > MOST_WORDS:
        bounds = f"may have at most {MOST_TERMS} terms of {MOST_WORDS} words together"
        raise InvalidField([FieldViolation("query", bounds)])
    wanted = tuple(term for term in terms if not term.is_excluded)
    if not wanted:
        raise SearchQueryEmpty
    return MessageQuery(wanted, tuple(term for term in terms if term.is_excluded))


def _term(minus: str, quoted: str | None, plain: str | None) -> Term:
    if plain is None:
        return Term(tuple(folded_words(quoted or "")), is_excluded=bool(minus))
    stem = plain.rstrip("*")
    words = tuple(folded_words(stem))
    # Of `c++*` no word ends at the star.
    is_prefix = stem != plain and bool(folded_words(stem[-1:] or " "))
    return Term(words, is_prefix=is_prefix, is_excluded=bool(minus))
