"""Reads the arguments that a model wrote for a tool: strict JSON, for what is called with them may be a payment."""

import json
from math import isinf
from typing import Any, Final, NoReturn

from server.adapters.tools.json_depth import MOST_DEPTH, is_deeper
from server.ports.tools import InvalidArguments

_MOST_CHARACTERS: Final = 1 << 20


class _KeyTwice(ValueError):
    """An object has a key twice: readers differ on which counts."""


def parsed_arguments(text: str) -> dict[str, Any]:
    """The object that the text holds; blank text is the empty one. Raises `InvalidArguments`."""
    if len(text) > _MOST_CHARACTERS:
        raise InvalidArguments(f"the arguments are longer than {_MOST_CHARACTERS} characters")
    if not text.strip():
        return {}
    value = _parsed(text)
    if not isinstance(value, dict):
        raise InvalidArguments("the arguments are no JSON object")
    if is_deeper(value, MOST_DEPTH):
        raise InvalidArguments(f"the arguments are nested deeper than {MOST_DEPTH}")
    return value


def _parsed(text: str) -> object:
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse, parse_float=_finite)
        if "\\u" in text:
            # Half a surrogate pair can be written in JSON and cannot be sent.
            json.dumps(value, ensure_ascii=False).encode()
    except _KeyTwice as error:
        raise InvalidArguments(f"the arguments have the key {str(error)[:100]!r} twice") from None
    except json.JSONDecodeError as error:
        raise InvalidArguments(f"the arguments are no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise InvalidArguments(f"the arguments are nested deeper than {MOST_DEPTH}") from None
    except ValueError:
        raise InvalidArguments("the arguments are no JSON: a number or a character that cannot be") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _KeyTwice(key)
        found[key] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError
