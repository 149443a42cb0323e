"""What two spellings have in common: text without case, compatibility forms, diacritics and invisible characters.

Every character folds by itself, so that a text can be folded while it comes. The result is a caseless compatibility
match after the Unicode Standard (chapter 3, D146), from which is left out what people do not see as a letter of its
own: format and control characters, fillers, variation selectors, diacritics, Hebrew and Arabic points. Vowel signs,
viramas and kana voicing marks make another letter and stay. Lookalikes from other scripts are other letters.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import category, combining, normalize

_SPACE: Final = " "
_SPACES: Final = re.compile("  +")
# Default_Ignorable_Code_Point as far as the general category does not tell.
_INVISIBLE: Final = frozenset(
    {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
)
_INVISIBLE_PLANE: Final = range(0xE0000, 0xE1000)
_DIACRITICS: Final = (
    range(0x300, 0x370),
    range(0x1AB0, 0x1B00),
    range(0x1DC0, 0x1E00),
    range(0x20D0, 0x2100),
    range(0xFE20, 0xFE30),
)
_POINTS: Final = range(10, 37)  # canonical combining classes of Hebrew and Arabic points
_JAMO_INSIDE: Final = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))  # vowels and final consonants


@lru_cache(maxsize=65536)
def fold(character: str) -> str:
    """What a character becomes: any number of characters, often none or one. White space becomes a space."""
    decomposed = normalize("NFKD", normalize("NFKD", normalize("NFD", character).casefold()).casefold())
    return "".join(_SPACE if one.isspace() else one for one in decomposed if one.isspace() or not _is_left_out(one))


def is_of_word(folded: str) -> bool:
    """Whether a folded character is part of a word: letters, numbers, marks, the underscore."""
    return folded.isalnum() or folded == "_" or category(folded).startswith("M")


def continues_letter(folded: str) -> bool:
    """Whether a folded character makes another letter of the one before it."""
    return category(folded).startswith("M") or any(ord(folded) in jamo for jamo in _JAMO_INSIDE)


class FoldedCharacter(NamedTuple):
    """A folded character, and what it does to those beside it."""

    text: str
    is_of_word: bool
    continues_letter: bool


@lru_cache(maxsize=65536)
def folded_characters(character: str) -> tuple[FoldedCharacter, ...]:
    """What a character becomes, looked up once: this is what a text costs while it comes."""
    return tuple(FoldedCharacter(one, is_of_word(one), continues_letter(one)) for one in fold(character))


class _Table(dict[int, str]):
    """`fold` for `str.translate`, which asks for what is not there."""

    def __missing__(self, code: int) -> str:
        return fold(chr(code))


def folded(text: str) -> str:
    """A whole text folded, each stretch of spaces made one."""
    return _SPACES.sub(_SPACE, text.translate(_TABLE))


def _is_left_out(one: str) -> bool:
    code, kind = ord(one), category(one)
    return (
        kind in ("Cf", "Cc", "Me")
        or code in _INVISIBLE
        or code in _INVISIBLE_PLANE
        or combining(one) in _POINTS
        or any(code in block for block in _DIACRITICS)
    )


_TABLE: Final = _Table({code: fold(chr(code)) for code in range(128)})
