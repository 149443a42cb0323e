"""Sets a field from the texts of a path variable or a query parameter, which are stricter than quoted JSON numbers."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.codec.elements import Element
from gateway.core.codec.enums import EnumWords
from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.fields import Field
from gateway.core.codec.presence import which
from gateway.core.codec.retry import second_member

_F = FieldDescriptor
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_BOOLS = {"true": True, "1": True, "false": False, "0": False}
_AS_THEY_ARE = {_F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_DOUBLE, _F.TYPE_FLOAT}
_TEXT_MESSAGES = {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}

Texts = Sequence[str]
MessageReader = Callable[[Any, Any, int], int]


def scalar_from_text(field: FieldDescriptor, element: Element, words: EnumWords | None) -> Callable[[str], Any]:
    """Give the function that reads one text as a scalar of the field; `words` are those of its enum, if it is one."""
    if words is not None:
        return words.read_text
    if field.type in _AS_THEY_ARE:
        return element.read
    if field.type == _F.TYPE_BOOL:
        return _bool

    def read(text: str) -> Any:
        if not _INTEGER.fullmatch(text):
            raise JsonError(f"must be a whole number, not {excerpt(text)}")
        return element.read(text)

    return read


def is_text_message(full_name: str) -> bool:
    """Say whether the JSON form of a well-known message (other than a wrapper) is a text."""
    return full_name in _TEXT_MESSAGES


def set_scalars(field: Field, read: Callable[[str], Any]) -> Callable[[Any, Texts], None]:
    """Give the function that sets a scalar field from one text, or a repeated one from any number."""

    def set_one(message: Any, texts: Texts) -> None:
        value = read(_only(texts))
        _refuse_second_member(message, field)
        _assign(lambda: setattr(message, field.name, value))

    def set_all(message: Any, texts: Texts) -> None:
        values = [read(text) for text in texts]
        _assign(lambda: getattr(message, field.name).extend(values))

    return set_all if field.is_repeated else set_one


def set_messages(field: Field, read: Callable[[Any, str], object]) -> Callable[[Any, Texts], None]:
    """Give the function that sets a message field whose JSON form is a text; `read` sets such a message from one."""

    def set_one(message: Any, texts: Texts) -> None:
        text = _only(texts)
        _refuse_second_member(message, field)
        _assign(lambda: read(getattr(message, field.name), text))

    def set_all(message: Any, texts: Texts) -> None:
        for text in texts:
            _assign(lambda text=text: read(getattr(message, field.name).add(), text))  # type: ignore[misc]

    return set_all if field.is_repeated else set_one


def refuse_text(_message: Any, _texts: Texts) -> None:
    """Refuse to set a field (a message, a map) that has no form as one text."""
    raise JsonError("is no single value, so it cannot be given here")


def _only(texts: Texts) -> str:
    if len(texts) != 1:
        raise JsonError("is given more than once, but takes one value")
    return texts[0]


def _refuse_second_member(message: Any, field: Field) -> None:
    if field.oneof is not None:
        first = which(message, field.oneof)
        if first is not None and first != field.name:
            raise second_member(first)


def _assign(assignment: Callable[[], object]) -> None:
    try:
        assignment()
    except UnicodeEncodeError:
        raise JsonError("is not UTF-8 text") from None


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise JsonError(f"must be true or false, not {excerpt(text)}")
    return _BOOLS[text]
