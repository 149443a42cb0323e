"""Dataclasses of the domain as compact JSON text and back, for columns that no query looks into.

Fields that have their default value are left out and unknown ones are passed over, so that a field can be added without
touching what is stored. Knows text, numbers, booleans, enums, times, durations (microseconds), tuples, optional values
and nested dataclasses; anything else is refused when the codec is made, not when a value turns up.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import orjson

from server.adapters.store.times import micros, moment

T = TypeVar("T")
_Convert = Callable[[Any], Any]
_PLAIN: Final = (str, int, float, bool)
_MICROSECOND: Final = timedelta(microseconds=1)
_CODECS: Final[dict[type[Any], "JsonCodec[Any]"]] = {}


class _FieldCodec(NamedTuple):
    name: str
    default: Any
    encode: _Convert | None
    decode: _Convert | None


class JsonCodec(Generic[T]):
    """Turns values of one dataclass into JSON text and back."""

    def __init__(self, cls: type[T]) -> None:
        self._cls = cls
        hints = get_type_hints(cls)
        self._fields = [_field(field, hints[field.name]) for field in fields(cls)]  # type: ignore[arg-type]
        # Many rows hold nothing but defaults; they share one value, which is frozen.
        self._blank = None if any(field.default is MISSING for field in self._fields) else cls()

    def dumps(self, value: T) -> str:
        """The value as JSON text."""
        return orjson.dumps(self.encode(value)).decode()

    def loads(self, stored: str) -> T:
        """The value of a JSON text."""
        if stored == "{}" and self._blank is not None:
            return self._blank
        return self.decode(orjson.loads(stored))

    def dumps_all(self, values: Iterable[T]) -> str:
        """Several values as a JSON array."""
        return orjson.dumps([self.encode(value) for value in values]).decode()

    def loads_all(self, stored: str) -> tuple[T, ...]:
        """The values of a JSON array."""
        return tuple(self.decode(item) for item in orjson.loads(stored))

    def encode(self, value: T) -> dict[str, Any]:
        """The value as a JSON object."""
        encoded = {}
        for name, default, encode, _ in self._fields:
            item = getattr(value, name)
            if item is not default and item != default:
                encoded[name] = item if encode is None or item is None else encode(item)
        return encoded

    def decode(self, stored: Mapping[str, Any]) -> T:
        """The value of a JSON object."""
        values = {}
        for name, _, _, decode in self._fields:
            if name in stored:
                item = stored[name]
                values[name] = item if decode is None or item is None else decode(item)
        return self._cls(**values)


def codec(cls: type[T]) -> JsonCodec[T]:
    """The codec of a dataclass."""
    known: JsonCodec[T] | None = _CODECS.get(cls)
    if known is None:
        known = _CODECS[cls] = JsonCodec(cls)
    return known


def _field(field: Field[Any], hint: Any) -> _FieldCodec:
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return _FieldCodec(field.name, default, *_converters(hint))


def _converters(hint: Any) -> tuple[_Convert | None, _Convert | None]:
    """How to encode and decode values of a type; `None` where they are JSON already."""
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (option for option in get_args(hint) if option is not NoneType)
        return _converters(inner)
    if get_origin(hint) is tuple:
        inner, ellipsis = get_args(hint)
        if ellipsis is ...:
            return _sequence(*_converters(inner))
    if isinstance(hint, type):
        return _scalar(hint)
    raise TypeError(f"no JSON form for {hint!r}")


def _scalar(hint: type) -> tuple[_Convert | None, _Convert | None]:
    if hint in _PLAIN:
        return None, None
    if issubclass(hint, Enum):
        return (lambda member: member.value), hint
    if hint is datetime:
        return micros, moment
    if hint is timedelta:
        return (lambda duration: duration // _MICROSECOND), (lambda stored: timedelta(microseconds=stored))
    if is_dataclass(hint):
        return codec(hint).encode, codec(hint).decode
    raise TypeError(f"no JSON form for {hint!r}")


def _sequence(encode: _Convert | None, decode: _Convert | None) -> tuple[_Convert, _Convert]:
    return (
        list if encode is None else lambda items: [encode(item) for item in items],
        tuple if decode is None else lambda items: tuple(decode(item) for item in items),
    )
