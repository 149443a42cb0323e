"""JSON bytes to a tree and back: syntax errors with their position, and objects that give a key twice.

orjson silently keeps the last of repeated keys. So a reader counts the keys that it has seen, and as many colons in the
document prove that none is repeated. Otherwise the document is looked at more closely, at last by another parser.
"""

import json
from typing import Any

import orjson

from gateway.core.codec.depth import too_deep
from gateway.core.codec.errors import JsonError

# What a reader adds to the number of keys for each colon in a text that it knows: more than the keys of a document of
# less than 64 MiB can be, and small enough for the sums to stay in one machine word of Python's integers mostly.
_TEXT_COLON_BITS = 24
TEXT_COLON = 1 << _TEXT_COLON_BITS
_MAX_COUNTED = 1 << 26

_TOO_DEEP_SIGNS = ("memory", "depth", "ecursion")
_BACKSLASH = ord("\\")
_TWO_BACKSLASHES = b"\\\\"
_WHITESPACE = b" \t\r\n"


class _Repeated:
    """An object that gave a key twice."""

    def __init__(self, key: str) -> None:
        self.key = key


def refuse_repeated_keys(body: bytes, keys: int, colons: int) -> None:
    """Raise JsonError when a valid document gives a key twice in one object.

    It is asked when the document's colons are not as many as the `keys` of its tree, of which each has one: some text
    has colons, or a key is repeated. Readers of texts that always have colons (times) have counted them into `keys` in
    units of `TEXT_COLON`; those are found in the document unless they are written as escapes there. Any other text is
    told from a key by what stands before the colon, a closing quote and maybe white space; where even that does not,
    only another parser can tell.
    """
    if len(body) < _MAX_COUNTED:
        in_texts = keys >> _TEXT_COLON_BITS
        keys &= TEXT_COLON - 1
        if in_texts and keys + in_texts == colons and _BACKSLASH not in body:
            return
        dense = body.translate(None, _WHITESPACE)
        ends = dense.count(b'":')
        if ends == keys:
            return
        # Without escaped backslashes, a quote behind a backslash is within a text (of code or JSON, mostly).
        if _TWO_BACKSLASHES not in dense and ends - dense.count(b'\\":') == keys:
            return
    repeated = _first_repeated(json.loads(body, object_pairs_hook=_object))
    if repeated is not None:
        raise repeated


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Repeated:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return _Repeated(key)
        seen.add(key)
    raise AssertionError("fewer members than pairs, but no key twice")


def _first_repeated(tree: Any) -> JsonError | None:
    match tree:
        case _Repeated():
            return JsonError("is given twice in one object").under(tree.key)
        case dict():
            for key, member in tree.items():
                if (error := _first_repeated(member)) is not None:
                    return error.under(key)
        case list():
            for index, member in enumerate(tree):
                if (error := _first_repeated(member)) is not None:
                    return error.under("", index)
    return None


def not_readable(body: bytes, error: orjson.JSONDecodeError | RecursionError) -> JsonError:
    """Give the error for a body that cannot be parsed, with the line and column of what is wrong with it."""
    if isinstance(error, RecursionError):
        return too_deep()
    try:
        body.decode()
    except UnicodeDecodeError as found:
        return JsonError(f"is not UTF-8 at byte {found.start}")
    if not body.strip(_WHITESPACE):
        return JsonError("is not JSON: the document is empty")
    # orjson has a limit of its own at 1024 levels, and more than one way to say so.
    what = "nested too deeply" if any(sign in error.msg for sign in _TOO_DEEP_SIGNS) else error.msg
    return JsonError(f"is not JSON at line {error.lineno}, column {error.colno}: {what}")


def not_writable(error: RecursionError | UnicodeDecodeError | orjson.JSONEncodeError) -> JsonError:
    """Give the error for a message that has no JSON form."""
    if isinstance(error, UnicodeDecodeError):
        return JsonError("holds text that is not UTF-8")
    return too_deep()
