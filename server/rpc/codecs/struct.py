"""Free-form JSON of `google.protobuf.Struct`."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct, Value

_EXACT: Final = 2**53


def decode_struct(struct: Struct) -> dict[str, Any]:
    """A JSON object. Whole numbers become integers: a `Struct` knows floating-point numbers alone, and models take
    `5.0` for something else than `5`. Raises `ValueError` for a number that JSON does not know."""
    return {name: _decoded(value) for name, value in struct.fields.items()}


def encode_struct(values: Mapping[str, Any]) -> Struct:
    """The same the other way round."""
    struct = Struct()
    struct.update(values)
    return struct


def _decoded(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return decode_struct(value.struct_value)
        case "list_value":
            return _list(value.list_value)
    return None


def _list(values: ListValue) -> list[Any]:
    return [_decoded(value) for value in values.values]


def _number(number: float) -> float | int:
    if not isfinite(number):
        raise ValueError("holds a number that JSON does not know")
    return int(number) if number.is_integer() and abs(number) < _EXACT else number
