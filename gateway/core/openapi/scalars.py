"""Schemas of the scalar kinds in one form of JSON."""

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.dialect import Int64Form
from gateway.core.openapi.wire import Schema, Wire

_F = FieldDescriptor
_RANGES = {
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), ("int32", -(1 << 31), (1 << 31) - 1)),
    **dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), ("uint32", 0, (1 << 32) - 1)),
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), ("int64", -(1 << 63), (1 << 63) - 1)),
    **dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), ("uint64", 0, (1 << 64) - 1)),
}
_WIDE = frozenset({"int64", "uint64"})
_FLOATS = {_F.TYPE_FLOAT: "float", _F.TYPE_DOUBLE: "double"}
_NON_FINITE = ("NaN", "Infinity", "-Infinity")

SIGNED_DIGITS = "^-?[0-9]{1,19}$"
DIGITS = "^[0-9]{1,20}$"


def scalar_schema(kind: int, wire: Wire) -> Schema:
    """Give the schema of one value of a scalar kind (a `FieldDescriptor.TYPE_*` that is neither enum nor message).

    Ranges stand on what clients send only: on what they receive they would say nothing that the format does not.
    """
    if kind in _RANGES:
        return _integer(kind, wire)
    if kind in _FLOATS:
        return _float(_FLOATS[kind], wire)
    if kind == _F.TYPE_BOOL:
        return {"type": "boolean"}
    if kind == _F.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    return {"type": "string"}


def key_schema(kind: int) -> Schema | None:
    """Give the schema of a map's keys, which are strings in JSON; None when any string is one."""
    if kind == _F.TYPE_BOOL:
        return {"enum": ["true", "false"]}
    if kind in _RANGES:
        return {"pattern": SIGNED_DIGITS if _RANGES[kind][1] < 0 else DIGITS}
    return None


def is_text_integer(kind: int, wire: Wire) -> bool:
    """Say whether the kind is an integer of 64 bits that this form writes as a string."""
    return kind in _RANGES and _RANGES[kind][0] in _WIDE and wire.int64_form is Int64Form.STRING


def _integer(kind: int, wire: Wire) -> Schema:
    name, low, high = _RANGES[kind]
    if is_text_integer(kind, wire):
        return {"type": "string", "format": name, "pattern": SIGNED_DIGITS if low < 0 else DIGITS}
    bounds = {"minimum": low, "maximum": high} if wire.is_input else {}
    return {"type": "integer", "format": name, **bounds}


def _float(name: str, wire: Wire) -> Schema:
    number: Schema = {"type": "number", "format": name}
    return number if wire.is_input else {"anyOf": [number, {"enum": list(_NON_FINITE)}]}
