"""`google.protobuf.Struct`, `Value` and `ListValue`: any JSON, both ways.

Readers set a message from a JSON value and give the number of object keys below it; writers give the JSON tree.
"""

from typing import Any

from google.protobuf.message import Message

from gateway.core.codec.depth import free_form_levels, too_deep
from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.presence import set_in_parent, which
from gateway.core.codec.scalars import is_negative_zero

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
    tree = {}
    for key in fields:
        tree[key] = value_tree(fields[key])
    return tree


def list_tree(message: Any) -> list[object]:
    """Write a ListValue."""
    return [*map(value_tree, message.values[:])]


def value_tree(message: Any) -> object:  # noqa: PLR0911  (one return for each kind of value)
    """Write a Value; one of no kind is null, and a number that JSON has no literal for is a JsonError."""
    kind = which(message, "kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number: float = message.number_value
        # 5 that came in as 5 goes out as 5; above 2**53 a double stands for several integers.
        if (
            number.is_integer()
            and -_EXACT_INTEGERS < number < _EXACT_INTEGERS
            and (number or not is_negative_zero(number))
        ):
            return int(number)
        if number - number != 0.0:
            raise JsonError("is a free-form number that JSON cannot hold (NaN or infinite)")
        return number
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return struct_tree(message.struct_value)
    if kind == "list_value":
        return list_tree(message.list_value)
    return None


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
    kind = type(value)
    if kind is str:
        message.string_value = value
    elif kind is float or kind is int:
        message.number_value = value
    elif kind is bool:
        message.bool_value = value
    elif value is None:
        message.null_value = 0
    elif kind is dict:
        return _fill_struct(message.struct_value, value, levels)
    else:
        return _fill_list(message.list_value, value, levels)
    return 0
