"""Exceptions as the log shows them: where they came from, of which type, and no text that may quote anybody.

Neither variables nor, but for a few types, the exceptions' own texts: a validation error quotes its input, a driver's
error the row, a parser's the document, and an address that cannot be connected to may hold a password.
"""

import sqlite3
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from server.domain.errors import ParleyError

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]
_CAUSED: Final = "The above exception was the direct cause of the following exception:"
_DURING: Final = "During handling of the above exception, another exception occurred:"
_DEEPEST: Final = 8
"""So many exceptions behind each other, or groups in each other, are shown."""


def shown(exc_info: ExceptionInfo) -> str:
    """An exception, what led to it, and what it holds when it is a group; without a newline at its end."""
    return "\n".join(_lines(exc_info[1], depth=0))


def _lines(error: BaseException, *, depth: int) -> Iterator[str]:
    before, words = _before(error)
    if before is not None and depth < _DEEPEST:
        yield from _lines(before, depth=depth + 1)
        yield from ("", words, "")
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield from "".join(traceback.format_tb(error.__traceback__)).rstrip("\n").split("\n")
    yield _named(error)
    if isinstance(error, BaseExceptionGroup) and depth < _DEEPEST:
        for number, each in enumerate(error.exceptions, 1):
            yield f"  +- {number} of {len(error.exceptions)}"
            yield from (f"  | {line}" for line in _lines(each, depth=depth + 1))


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    """What Python shows ahead of an exception, and how it puts the two together."""
    if error.__cause__ is not None:
        return error.__cause__, _CAUSED
    return (None if error.__suppress_context__ else error.__context__), _DURING


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    said = _said(error)
    return f"{name}: {said}" if said else name


def _said(error: BaseException) -> str:
    """What an exception says of itself, where that is known to quote nobody."""
    match error:
        case ParleyError():
            return error.reason
        case OSError(errno=int(number)):
            return f"[Errno {number}] {error.strerror}"
        case sqlite3.Error():
            return str(error)
    sqlstate = getattr(error, "sqlstate", None)
    return f"SQLSTATE {sqlstate}" if isinstance(sqlstate, str) else ""
