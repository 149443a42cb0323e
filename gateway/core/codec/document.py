"""JSON bytes to a tree and back: syntax errors with their position, and objects that give a key twice.

orjson silently keeps the last of repeated keys. So a reader counts the keys that it has seen, and the document is
searched for more `"key":` than that; only if there seem to be more (text may look like keys, too) is it parsed again,
carefully.
"""

import json
from typing import Any

import orjson

from gateway.core.codec.errors import JsonError

_WHITESPACE = b" \t\r\n"
_TOO_DEEP_FOR_PARSER = "nested too deeply"


class _Repeated:
    """An object that gave a key twice."""

    def __init__(self, key: str) -> None:
        self.key = key


def parse(body: bytes) -> Any:
    """Parse a JSON document; JsonError names line and column of what is wrong with it."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _syntax_error(body, error) from None


def dump(tree: object) -> bytes:
    """Write a JSON tree as compact UTF-8; JsonError when it is too deep."""
    try:
        return orjson.dumps(tree)
    except orjson.JSONEncodeError:
        raise JsonError("has no JSON form (it is nested too deeply, or holds text that is not UTF-8)") from None


def refuse_repeated_keys(body: bytes, keys: int) -> None:
    """Raise JsonError when a valid document has more keys than the `keys` that its tree has.

    Every key is followed by a colon, so as many colons as keys prove that none is repeated. Text with colons needs a
    closer look: a key is a closing quote and, but for white space, a colon.
    """
    if body.count(b":") == keys or body.translate(None, _WHITESPACE).count(b'":') == keys:
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


def _syntax_error(body: bytes, error: orjson.JSONDecodeError) -> JsonError:
    try:
        body.decode()
    except UnicodeDecodeError as found:
        return JsonError(f"is not UTF-8 at byte {found.start}")
    if not body.strip(_WHITESPACE):
        return JsonError("is not JSON: the document is empty")
    what = _TOO_DEEP_FOR_PARSER if "memory" in error.msg or "recursion" in error.msg.lower() else error.msg
    return JsonError(f"is not JSON at line {error.lineno}, column {error.colno}: {what}")
