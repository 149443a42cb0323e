"""Patterns that callers write: RE2, which no text and no pattern can make slow."""

import functools
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # it has no stubs

LONGEST_PATTERN: Final = 512
"""Characters of a pattern."""
_MEMORY_BYTES: Final = 1024 * 1024
_PATTERNS_KEPT: Final = 256


class BadPattern(ValueError):
    """Not a pattern of RE2's syntax, or one too large; the text says why and may be shown to whoever wrote it."""


class Pattern:
    """A pattern to be found anywhere in a text; equal when it is written the same."""

    __slots__ = ("_found", "text")

    def __init__(self, text: str) -> None:
        """Compile it. Raises `BadPattern`."""
        if len(text) > LONGEST_PATTERN:
            raise BadPattern(f"may have at most {LONGEST_PATTERN} characters")
        self.text = text
        self._found = _compiled(text).search

    def is_in(self, text: str) -> bool:
        """Whether some part of the text, which may be the empty one, matches."""
        # Given text instead of bytes, the binding would count the characters before the match, too.
        return self._found(text.encode()) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"


@functools.lru_cache(maxsize=_PATTERNS_KEPT)
def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # it would write the caller's text to standard error
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(text, options)
    except UnicodeEncodeError:
        raise BadPattern("is not text") from None
    except re2.error as error:
        why = error.args[0] if error.args else ""
        raise BadPattern(why.decode(errors="replace") if isinstance(why, bytes) else str(why)) from None
