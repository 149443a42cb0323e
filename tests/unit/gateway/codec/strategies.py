"""Hypothesis strategies for messages of any type, made from their descriptors, and for JSON trees of any kind."""

import math
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.unit.gateway.codec.protos import new

_F = FieldDescriptor
_WELL_KNOWN = "google.protobuf."
_DEPTH = 3

texts = st.text(max_size=12) | st.sampled_from(['":', '"a" :', "\\", "\\u003a", "a: b", "\0", "\u2028", "😀"])


def _one_nan(number: float) -> float:
    """Leave one NaN of all: their signs and payloads have no form in JSON, so they cannot read back."""
    return math.nan if math.isnan(number) else number


_floats32 = st.floats(width=32).map(_one_nan)
_doubles = st.floats().map(_one_nan)


def _integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return st.integers(low, high) | st.sampled_from([low, high, 0])


_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _F.TYPE_DOUBLE: _doubles,
    _F.TYPE_FLOAT: _floats32,
    _F.TYPE_BOOL: st.booleans(),
    _F.TYPE_STRING: texts,
    _F.TYPE_BYTES: st.binary(max_size=8),
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), _integers(32, signed=True)),
    **dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), _integers(64, signed=True)),
    **dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), _integers(32, signed=False)),
    **dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), _integers(64, signed=False)),
}
_JSON_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_free_form = st.recursive(
    st.none() | st.booleans() | _JSON_NUMBERS | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = _DEPTH) -> Any:
    """Draw a message of a type, with any of its fields set."""
    if descriptor.full_name.startswith(_WELL_KNOWN):
        return draw(_well_known(descriptor))
    message: Any = GetMessageClass(descriptor)()
    for field in draw(st.lists(st.sampled_from(list(descriptor.fields)), unique_by=lambda each: each.number)):
        if depth or field.message_type is None:
            _fill(draw, message, field, depth - 1)
    return message


def _fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
        entries = draw(st.dictionaries(_SCALARS[key.type], _values(value, depth), max_size=2))
        target = getattr(message, field.name)
        for each, member in entries.items():
            if value.message_type is None:
                target[each] = member
            else:
                target[each].CopyFrom(member)
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_values(field, depth), max_size=3)))
    elif inner is not None:
        getattr(message, field.name).CopyFrom(draw(_values(field, depth)))
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, draw(_values(field, depth)))


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, max(depth, 0))
    if field.enum_type is not None:
        if field.enum_type.full_name == "google.protobuf.NullValue":
            return st.just(0)
        return st.sampled_from([value.number for value in field.enum_type.values]) | _integers(32, signed=True)
    return _SCALARS[field.type]


def _well_known(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    make: Any = GetMessageClass(descriptor)
    if descriptor.name in _MAKERS:
        return _MAKERS[descriptor.name](make)
    return st.builds(make, value=_SCALARS[descriptor.fields_by_name["value"].type])


def _durations(make: Any) -> st.SearchStrategy[Any]:
    sign, seconds = st.sampled_from([1, -1]), st.integers(0, 315_576_000_000)
    return st.builds(lambda s, a, b: make(seconds=s * a, nanos=s * b), sign, seconds, _nanos)


def _anys(make: Any) -> st.SearchStrategy[Any]:
    # Without maps, whose order in the packed bytes would be of no account but make them differ.
    packed = messages(new("Optionals").DESCRIPTOR) | messages(new("WellKnown").timestamp.DESCRIPTOR)
    return st.just(make()) | packed.map(lambda inner: _packed(make, inner))


def _free_forms(make: Any) -> st.SearchStrategy[Any]:
    return _free_form.map(lambda tree: _free_form_message(make, tree))


_nanos = st.sampled_from([0, 1, 1_000, 500_000_000]) | st.integers(0, 999_999_999)
_paths = st.lists(st.from_regex(r"[a-z]{1,3}(_[a-z]{1,2}){0,2}(\.[a-z]{1,3})?", fullmatch=True), max_size=3)
_MAKERS: dict[str, Callable[[Any], st.SearchStrategy[Any]]] = {
    "Timestamp": lambda make: st.builds(make, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=_nanos),
    "Duration": _durations,
    "FieldMask": lambda make: st.builds(make, paths=_paths),
    "Struct": _free_forms,
    "Value": _free_forms,
    "ListValue": _free_forms,
    "Any": _anys,
    "Empty": lambda make: st.just(make()),
}


def _free_form_message(make: Any, tree: Any) -> Any:
    message = make()
    match message.DESCRIPTOR.name:
        case "Struct":
            message.update(tree if isinstance(tree, dict) else {"tree": tree})
        case "ListValue":
            message.extend(tree if isinstance(tree, list) else [tree])
        case _:
            _set_value(message, tree)
    return message


def _set_value(message: Any, tree: Any) -> None:
    match tree:
        case None:
            message.null_value = 0
        case bool():
            message.bool_value = tree
        case float():
            message.number_value = tree
        case str():
            message.string_value = tree
        case dict():
            message.struct_value.SetInParent()
            message.struct_value.update(tree)
        case list():
            message.list_value.SetInParent()
            message.list_value.extend(tree)


def _packed(make: Any, inner: Any) -> Any:
    message = make()
    message.Pack(inner)
    return message


# Any JSON, as part of a document that may be wrong in any way.
json_trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 65), 1 << 65) | _JSON_NUMBERS | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
