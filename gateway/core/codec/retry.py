"""Slower readers of whole field values, which know the path of what is wrong; and the errors of generated readers."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gateway.core.codec.depth import count_keys
from gateway.core.codec.errors import JsonError, excerpt, kind
from gateway.core.codec.presence import set_in_parent

ValueReader = Callable[[Any], Any]
MessageReader = Callable[[Any, Any, int], int]
LeftOverReader = Callable[[Any, dict[str, Any], int, MessageReader], int]


def not_an_object(value: object) -> JsonError:
    """Give the error for a value that must be a JSON object."""
    return JsonError(f"must be an object, not {kind(value)}")


def not_an_array(value: object) -> JsonError:
    """Give the error for a value that must be a JSON array."""
    return JsonError(f"must be an array, not {excerpt(value)}")


def second_member(first: str) -> JsonError:
    """Give the error for a member of a oneof of which another member is set already; `first` is its proto name."""
    return JsonError(f"excludes {first}, which is given, too: only one of them may be")


def each_element(read: ValueReader) -> ValueReader:
    """Give the reader of a list; an error says which element is wrong."""

    def read_all(value: object) -> list[Any]:
        if type(value) is not list:
            raise not_an_array(value)
        taken = []
        for index, element in enumerate(value):
            try:
                taken.append(read(element))
            except JsonError as error:
                raise error.under("", index) from None
        return [each for each in taken if each is not None]

    return read_all


def each_value(read: ValueReader) -> ValueReader:
    """Give the reader of a map's values; an error says under which key the wrong one is."""

    def read_all(value: object) -> None:
        if type(value) is not dict:
            raise not_an_object(value)
        for key, member in value.items():
            try:
                read(member)
            except JsonError as error:
                raise error.under("", key) from None

    return read_all


def unique_keys(read: Callable[[str], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give the function that reads the keys of a map object, two of which may not come to the same (`1` and `1.0`)."""

    def read_all(value: dict[str, Any]) -> dict[str, Any]:
        taken: dict[str, Any] = {}
        seen = set()
        for key in value:
            try:
                taken[key] = read(key)
            except JsonError as error:
                raise error.under("", key) from None
            if taken[key] in seen:
                raise JsonError("is given twice").under("", key)
            seen.add(taken[key])
        return taken

    return read_all


def refused(readers: Mapping[str, ValueReader], key: str | None, value: object, error: Exception) -> NoReturn:
    """Raise the JsonError for a value that upb refused; an error for which there is none is a defect and stays."""
    if key is not None and key in readers:
        try:
            readers[key](value)
        except JsonError as found:
            raise found.under(key) from None
    raise error


def left_over(keys: Mapping[str, str], *, ignore_unknown: bool) -> LeftOverReader:
    """Give the function for the members of an object that no field of the message took by its own key.

    `keys` has the own key of every accepted spelling. Fields in their other spelling are read (`read` gives the
    message's reader) as if they were spelt the usual way; two spellings of one field are an error, and so are unknown
    names unless they are ignored.
    """

    def read_rest(message: Any, members: dict[str, Any], depth: int, read: MessageReader) -> int:
        rest: dict[str, Any] = {}
        written: dict[str, str] = {}
        count = 0
        set_in_parent(message)  # which may be all that there is to do: members that are null set nothing
        for name, value in members.items():
            key = keys.get(name)
            if key is None:
                if not ignore_unknown:
                    raise JsonError("is not a known field").under(name)
                count += count_keys(value, depth + 1)
            elif key != name:
                if key in members:
                    raise JsonError(f"is given twice, also as {key}").under(name)
                rest[key] = value
                written[key] = name
        if not rest:
            return count
        try:
            return count + read(message, rest, depth) - len(rest)
        except JsonError as error:
            for key, name in written.items():
                error.renamed(key, name)
            raise

    return read_rest
