"""Percent-decoding as strict as the rest: a broken escape or broken UTF-8 is an error, never a guess."""

import re
from urllib.parse import unquote_to_bytes

_BROKEN = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_SLASH = re.compile(rb"%(?=2[Ff])")


class EscapeError(ValueError):
    """A text with a broken escape, or whose bytes are no UTF-8; the text says which."""


def decoded(raw: bytes) -> str:
    """Decode every escape."""
    if b"%" in raw:
        if _BROKEN.search(raw):
            raise EscapeError("has a % that is not followed by two hexadecimal digits")
        raw = unquote_to_bytes(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise EscapeError("is not UTF-8") from None


def decoded_segments(raw: bytes) -> str:
    """Decode every escape but that of a slash, which stays to be told from a slash between segments."""
    return decoded(_SLASH.sub(b"%25", raw)) if b"%2" in raw else decoded(raw)


def decoded_form(raw: bytes) -> str:
    """Decode a name or a value of a query string, where a plus is a space."""
    return decoded(raw.replace(b"+", b" "))
