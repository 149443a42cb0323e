"""`google.protobuf.Struct`, `Value` and `ListValue`: any JSON, both ways.

Readers set a message from a JSON value and give the number of object keys below it; writers give the JSON tree.
"""

from typing import Any

from google.protobuf.message import Message

from gateway.core.codec.depth import free_form_levels, too_deep
from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.presence import set_in_parent, which

_EXACT_INTEGERS = 1 << 53


def read_struct(message: Message, value: object, depth: int) -> int:
    """Set a Struct from a JSON object."""
    return _fill_struct(message, value, free_form_levels(depth))


def read_value(message: Message, value: object, depth: int) -> int:
    """Set a Value from any JSON value; null is a value, too."""
    return _fill_value(message, value, free_form_levels(depth))


def read_list(message: Message, value: object, depth: int) -> int:
    """Set a ListValue from a JSON array."""
    return _fill_list(message, value, free_form_levels(depth))


def struct_tree(message: Any) -> dict[str, object]:
    """Write a Struct."""
    fields = message.fields
    return {key: value_tree(fields[key]) for key in fields}


def list_tree(message: Any) -> list[object]:
    """Write a ListValue."""
    return [*map(value_tree, message.values[:])]


def value_tree(message: Any) -> object:
    """Write a Value; one of no kind is null, and a number that JSON has no literal for is a JsonError."""
    match which(message, "kind"):
        case "string_value":
            return message.string_value
        case "number_value":
            return _number(message.number_value)
        case "struct_value":
            return struct_tree(message.struct_value)
        case "list_value":
            return list_tree(message.list_value)
        case "bool_value":
            return message.bool_value
        case _:
            return None


def _number(number: float) -> float | int:
    if number - number != 0.0:
        raise JsonError("is a free-form number that JSON cannot hold (NaN or infinite)")
    # 5 that came in as 5 goes out as 5; above 2**53 a double stands for several integers.
    if -_EXACT_INTEGERS < number < _EXACT_INTEGERS and number.is_integer() and (number or str(number) == "0.0"):
        return int(number)
    return number


def _fill_struct(message: Any, value: object, levels: int) -> int:
    if type(value) is not dict:
        raise JsonError(f"must be an object, not {excerpt(value)}")
    if levels < 1:
        raise too_deep()
    if not value:
        set_in_parent(message)
    fields = message.fields
    keys = len(value)
    for key, item in value.items():
        try:
            keys += _fill_value(fields[key], item, levels - 1)
        except JsonError as error:
            raise error.under(key) from None
    return keys


def _fill_list(message: Any, value: object, levels: int) -> int:
    if type(value) is not list:
        raise JsonError(f"must be an array, not {excerpt(value)}")
    if levels < 1:
        raise too_deep()
    if not value:
        set_in_parent(message)
    keys = 0
    add = message.values.add
    for index, item in enumerate(value):
        try:
            keys += _fill_value(add(), item, levels - 1)
        except JsonError as error:
            raise error.under("", index) from None
    return keys


def _fill_value(message: Any, value: object, levels: int) -> int:
    match value:
        case str():
            message.string_value = value
        case None:
            message.null_value = 0
        case bool():
            message.bool_value = value
        case int() | float():
            message.number_value = value
        case dict():
            return _fill_struct(message.struct_value, value, levels)
        case _:
            return _fill_list(message.list_value, value, levels)
    return 0
