"""Enum values in JSON: their words out, and words, proto names and numbers in."""

from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor

from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.scalars import to_int32
from gateway.core.options import option

NULL_VALUE = "google.protobuf.NullValue"
_WORD = "parley.options.v1.word"
_MAX_LISTED = 12


class EnumWords(dict[str, int]):
    """The number of every accepted name; what is not in it is read by the slower rules of `__missing__`.

    So the reading of a known name is one subscript. A number is kept (a closed enum keeps its own only). An unknown
    name is a JsonError, or None (to be left out) where unknown fields are ignored.
    """

    def __init__(self, enum: EnumDescriptor, *, ignore_unknown: bool) -> None:
        super().__init__()
        self._ignore_unknown = ignore_unknown
        self._null_name = enum.full_name == NULL_VALUE
        self._numbers = {value.number for value in enum.values}
        self._closed = enum.is_closed
        words = {value: option(value, _WORD) for value in enum.values}
        for value in enum.values:
            self._accept(value.name, value)
        for value, word in words.items():
            if word:
                self._accept(word, value)
        shown = [words[value] or value.name for value in enum.values if words[value] != ""][:_MAX_LISTED]
        self._wanted = ", ".join(shown) + (", …" if len(enum.values) > _MAX_LISTED else "")

    def __missing__(self, value: Any) -> int | None:
        """Read a value that is not the name of an enum value."""
        if type(value) is str:
            if self._ignore_unknown:
                return None
            raise JsonError(f"must be one of {self._wanted}, not {excerpt(value)}")
        if value is None and self._null_name:
            return 0
        if type(value) not in {int, float}:
            raise JsonError(f"must be one of {self._wanted}, not {excerpt(value)}")
        number: int = to_int32(value)
        if self._closed and number not in self._numbers:
            if self._ignore_unknown:
                return None
            raise JsonError(f"must be one of {self._wanted}, not {number}")
        return number

    def read(self, value: object) -> int | None:
        """Read any JSON value; objects and arrays, which no dict can look up, are errors like the others."""
        return self[value] if type(value) is str else self.__missing__(value)

    def read_text(self, text: str) -> int:
        """Read the text of a path or query parameter: a name, or a number that the enum knows."""
        if text in self:
            return self[text]
        if text.removeprefix("-").isdecimal() and text.isascii() and to_int32(text) in self._numbers:
            return int(text)
        raise JsonError(f"must be one of {self._wanted}, not {excerpt(text)}")

    def _accept(self, name: str, value: EnumValueDescriptor) -> None:
        if self.setdefault(name, value.number) != value.number:
            raise ValueError(f"enum {value.type.full_name}: {name} stands for two values")


def refuse_clashes(message: Descriptor, seen: set[str]) -> None:
    """Look at the enums of a message type and of all types below it. Raises `ValueError` for one in which a word stands
    for two values. What is in `seen`, by full names, is not looked at again; it grows by what was."""
    waiting = [message]
    while waiting:
        each = waiting.pop()
        if each.full_name not in seen:
            seen.add(each.full_name)
            waiting += [field.message_type for field in each.fields if field.message_type is not None]
            for enum in (field.enum_type for field in each.fields):
                if enum is not None and enum.full_name not in seen:
                    seen.add(enum.full_name)
                    EnumWords(enum, ignore_unknown=False)


def written_words(enum: EnumDescriptor, *, by_proto_name: bool = False) -> dict[int, str | None]:
    """Give what is written for each number: the word, else (or always) the proto name; null for the value of
    NullValue."""
    if enum.full_name == NULL_VALUE:
        return {0: None}
    written: dict[int, str | None] = {}
    for value in enum.values:  # of aliases, the first declared is written
        word = None if by_proto_name else option(value, _WORD)
        written.setdefault(value.number, word or value.name)
    return written
