"""The JSON text of `google.protobuf.FieldMask`: comma-separated paths, in the field names of the dialect."""

import re
from collections.abc import Callable
from typing import Any

from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.presence import set_in_parent
from gateway.core.dialect import FieldNames

# A proto path survives the way to camel case and back only when every underscore stands before a lower-case letter.
_CAMEL_SAFE = re.compile(r"(?:[^A-Z_]|_[a-z])*")
_LETTER_AFTER_UNDERSCORE = re.compile(r"_([a-z])")
_CAPITAL = re.compile(r"[A-Z]")
_PATH_TEXT = re.compile(r"[A-Za-z0-9_.]+")


def mask_writer(names: FieldNames) -> Callable[[Any], str]:
    """Give the function that writes a mask: in camel case, or as the proto has the paths."""
    if names is FieldNames.SNAKE:
        return lambda message: ",".join(message.paths)
    return lambda message: ",".join(_camel(path) for path in message.paths)


def mask_reader(names: FieldNames) -> Callable[[Any, object, int], int]:
    """Give the function that sets a mask from its text; where replies are in snake case, both spellings are taken."""
    capitals_only = names is FieldNames.CAMEL

    def read(message: Any, value: object, _depth: int = 0) -> int:
        if type(value) is not str:
            raise JsonError(f"must be a string of field paths, not {excerpt(value)}")
        paths = value.split(",") if value else []
        for path in paths:
            if not _PATH_TEXT.fullmatch(path) or (capitals_only and "_" in path):
                raise JsonError(f"holds {excerpt(path)}, which is no path of field names such as userMessage.content")
        set_in_parent(message)
        del message.paths[:]
        message.paths.extend([_snake(path) for path in paths])
        return 0

    return read


def _camel(path: str) -> str:
    if not _CAMEL_SAFE.fullmatch(path):
        raise JsonError(f"holds the path {excerpt(path)}, which has no JSON form")
    return _LETTER_AFTER_UNDERSCORE.sub(lambda match: match[1].upper(), path)


def _snake(path: str) -> str:
    return _CAPITAL.sub(lambda match: "_" + match[0].lower(), path)
