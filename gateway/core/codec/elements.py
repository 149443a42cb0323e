"""The scalar kinds as the source generators need them: the expression that writes one, and how one is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.core.codec import scalars
from gateway.core.codec.enums import EnumWords, written_words
from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.scope import Scope
from gateway.core.dialect import Int64Form

_F = FieldDescriptor

# Guards: a value for which one holds may be assigned to a field as it is (upb checks the range of integers itself).
INT = "type({v}) is int"
BOOL = "type({v}) is bool"
STRING = "type({v}) is str"
DOUBLE = "type({v}) is float"
FLOAT = "type({v}) is float and -FLOAT32_LIMIT < {v} < FLOAT32_LIMIT"
# A text for which it holds is an integer of any 64-bit type.
_SAFE_INTEGER_TEXT = "type({v}) is str and {v}.isascii() and {v}.isdecimal() and len({v}) < 19"

CONSTANTS: dict[str, object] = {
    "base64_text": scalars.base64_text,
    "float32_number": scalars.float32_number,
    "nonfinite_text": scalars.nonfinite_text,
    "is_negative_zero": scalars.is_negative_zero,
    "FLOAT32_LIMIT": scalars.FLOAT32_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Element:
    """How one value of a scalar kind is written and read.

    `written` is an expression of `{v}` (a plain `{v}` needs no conversion). `reader` is the name of the function that
    reads any JSON value or raises JsonError. Where `guard` (a condition of `{v}`) holds, a value may be assigned as it
    is; upb still checks the range then. `map_key` writes a key, `read` is the reader itself, `zero` the JSON of the
    default.
    """

    reader: str
    read: Callable[[Any], Any]
    zero: object
    written: str = "{v}"
    guard: str | None = None
    map_key: str = "{v}"
    words: str | None = None  # name of the EnumWords, for enums
    may_skip: bool = False  # whether the reader gives None for what is to be left out
    is_float: bool = False
    is_wide: bool = False  # whether it is an integer of 64 bits, which JSON has as texts

    def write(self, variable: str) -> str:
        """Give the expression that writes the value of a variable."""
        return self.written.format(v=variable)

    def take(self, variable: str) -> str:
        """Give the expression that reads the JSON value of a variable."""
        if self.words is not None:
            return f"{self.words}[{variable}]"
        if self.guard == STRING:
            return variable  # of all that JSON can hold, upb takes nothing but strings
        slow = f"{self.reader}({variable})"
        if self.is_wide:
            slow = f"int({variable}) if {_SAFE_INTEGER_TEXT.format(v=variable)} else {slow}"
        return slow if self.guard is None else f"{variable} if {self.guard.format(v=variable)} else {slow}"


_INT32 = dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), scalars.to_int32)
_UINT32 = dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), scalars.to_uint32)
_INT64 = dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), scalars.to_int64)
_UINT64 = dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), scalars.to_uint64)
_OTHERS: dict[int, tuple[Callable[[Any], Any], dict[str, Any]]] = {
    _F.TYPE_STRING: (scalars.to_string, {"zero": "", "guard": STRING}),
    _F.TYPE_BYTES: (scalars.to_bytes, {"zero": "", "written": "base64_text({v})"}),
    _F.TYPE_BOOL: (scalars.to_bool, {"zero": False, "guard": BOOL, "map_key": '"true" if {v} else "false"'}),
    _F.TYPE_FLOAT: (
        scalars.to_float,
        {"zero": 0.0, "guard": FLOAT, "written": "float32_number({v})", "is_float": True},
    ),
    _F.TYPE_DOUBLE: (
        scalars.to_double,
        {
            "zero": 0.0,
            "guard": DOUBLE,
            "written": "({v} if {v} - {v} == 0.0 else nonfinite_text({v}))",
            "is_float": True,
        },
    ),
}
_NARROW = _INT32 | _UINT32
_WIDE = _INT64 | _UINT64


def element_of(
    field: FieldDescriptor, scope: Scope, *, int64_form: Int64Form, ignore_unknown: bool, by_proto_name: bool
) -> Element:
    """Give the element of a scalar field, or of one value of a repeated one; its names are defined in the scope."""
    kind = field.type
    if field.enum_type is not None:
        return _enum_element(field.enum_type, scope, ignore_unknown=ignore_unknown, by_proto_name=by_proto_name)
    if kind in _NARROW:
        return _element(scope, f"scalar_{kind}", _NARROW[kind], zero=0, guard=INT, map_key="str({v})")
    if kind in _WIDE:
        as_text = int64_form is Int64Form.STRING
        written, zero = ("str({v})", "0") if as_text else ("{v}", 0)
        return _element(
            scope,
            f"scalar_{kind}",
            _WIDE[kind],
            written=written,
            zero=zero,
            guard=INT,
            map_key="str({v})",
            is_wide=True,
        )
    if kind not in _OTHERS:
        raise ValueError(f"{field.full_name} is no scalar field")
    read, rest = _OTHERS[kind]
    return _element(scope, f"scalar_{kind}", read, **rest)


def map_key_reader(field: FieldDescriptor) -> Callable[[str], Any] | None:
    """Give the reader of a map's keys, which JSON has as strings; None when they are strings in the message, too."""
    if field.type == _F.TYPE_STRING:
        return None
    if field.type == _F.TYPE_BOOL:
        return bool_key
    return (_NARROW | _WIDE)[field.type]


def bool_key(text: str) -> bool:
    """Read the key of a map from bool."""
    if text in {"true", "false"}:
        return text == "true"
    raise JsonError(f"must have keys true and false, not {excerpt(text)}")


def _element(scope: Scope, reader: str, read: Callable[[Any], Any], **rest: Any) -> Element:
    return Element(reader=scope.define(reader, read), read=read, **rest)


def _enum_element(enum: EnumDescriptor, scope: Scope, *, ignore_unknown: bool, by_proto_name: bool) -> Element:
    words_name, reader, names = (scope.name(prefix, enum) for prefix in ("words", "read_enum", "names"))
    written = written_words(enum, by_proto_name=by_proto_name)
    words = scope.names.get(words_name)
    if not isinstance(words, EnumWords):
        words = EnumWords(enum, ignore_unknown=ignore_unknown)
        scope.define(words_name, words)
        scope.define(reader, words.read)
        scope.define(names, written.get)
    zero = enum.values[0].number
    return Element(
        written=f"{names}({{v}}, {{v}})",
        reader=reader,
        read=words.read,
        zero=written.get(zero, zero),
        words=words_name,
        may_skip=ignore_unknown,
    )
