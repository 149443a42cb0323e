"""Arbitrary messages of a type, for properties that hold of all of them."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_F = FieldDescriptor
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _F.TYPE_STRING: st.text(st.characters(codec="utf-8"), max_size=4),
    _F.TYPE_BYTES: st.binary(max_size=4),
    _F.TYPE_BOOL: st.booleans(),
    _F.TYPE_INT32: st.integers(-(1 << 31), (1 << 31) - 1),
    _F.TYPE_UINT32: st.integers(0, (1 << 32) - 1),
    _F.TYPE_INT64: st.integers(-(1 << 63), (1 << 63) - 1),
    _F.TYPE_UINT64: st.integers(0, (1 << 64) - 1),
    _F.TYPE_DOUBLE: st.floats(),
    _F.TYPE_FLOAT: st.floats(width=32),
}
# What ProtoJSON can write of these is narrower than what their fields can hold.
_BOUNDED: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "google.protobuf.Timestamp": {
        "seconds": st.integers(-62135596800, 253402300799),
        "nanos": st.integers(0, 999999999),
    },
    "google.protobuf.Duration": {"seconds": st.integers(0, 315576000000), "nanos": st.integers(0, 999999999)},
    "google.protobuf.FieldMask": {"paths": st.lists(st.sampled_from(["a", "a.b_c", "name"]), max_size=2)},
    "google.protobuf.Value": {"string_value": st.text(st.characters(codec="utf-8"), max_size=3)},
    "google.protobuf.Any": {},
}
_DEPTH = 2


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Any:
    """Draw a message; below a depth of two, fields of message types stay unset."""
    message: Any = GetMessageClass(descriptor)()
    bounded = _BOUNDED.get(descriptor.full_name)
    if bounded is not None:
        for name, strategy in bounded.items():
            value = draw(strategy)
            getattr(message, name).extend(value) if isinstance(value, list) else setattr(message, name, value)
        return message
    for field in descriptor.fields:
        if draw(st.booleans()) and (field.message_type is None or depth < _DEPTH):
            _set(draw, message, field, depth)
    return message


def _set(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        _fill_map(draw, getattr(message, field.name), entry, depth)
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 2))):
            _append(draw, getattr(message, field.name), field, depth)
    elif entry is not None:
        getattr(message, field.name).CopyFrom(draw(messages(entry, depth + 1)))
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _append(draw: st.DrawFn, items: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None:
        items.add().CopyFrom(draw(messages(field.message_type, depth + 1)))
    else:
        items.append(draw(_scalar(field)))


def _fill_map(draw: st.DrawFn, items: Any, entry: Descriptor, depth: int) -> None:
    value = entry.fields_by_name["value"]
    for _ in range(draw(st.integers(0, 2))):
        key = draw(_scalar(entry.fields_by_name["key"]))
        if value.message_type is not None:
            items[key].CopyFrom(draw(messages(value.message_type, depth + 1)))
        else:
            items[key] = draw(_scalar(value))


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return _SCALARS[field.type]
