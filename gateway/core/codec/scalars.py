"""Conversions between the scalars of a JSON tree and those of a message, strict where ProtoJSON is.

A reader takes any value of a JSON tree and gives what may be assigned to a field, or raises `JsonError` with an empty
path.
"""

import binascii
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from gateway.core.codec.errors import JsonError, excerpt

Reader = Callable[[Any], Any]

# A quoted number may use the whole grammar of JSON numbers, and leading zeros; the bounds keep a hostile one cheap.
_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_DIGITS = 20

# The first number that rounds to infinity as a float32: FLT_MAX and half a unit in its last place.
FLOAT32_LIMIT = float.fromhex("0x1.ffffffp+127")
_FLOAT32 = struct.Struct("<f")


def integer_reader(low: int, high: int) -> Reader:
    """Give the reader of an integer type; it takes numbers without a fraction, and both quoted."""

    safe_length = len(str(high)) - 1  # a text of fewer digits needs no look at the range

    def read(value: object) -> int:
        if type(value) is str and value.isascii() and value.isdecimal() and len(value) <= safe_length:
            return int(value)
        if type(value) is int:
            number = value
        elif type(value) is str:
            number = _whole_number(value)
        elif type(value) is float and value.is_integer():
            number = int(value)
        else:
            raise JsonError(f"must be a whole number, not {excerpt(value)}")
        if low <= number <= high:
            return number
        raise JsonError(f"must be from {low} to {high}, not {excerpt(value)}")

    return read


def _whole_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise JsonError(f"must be a whole number, not {excerpt(text)}")
    number = Decimal(text)
    if number.adjusted() > _LARGEST_DIGITS or number != number.to_integral_value():
        raise JsonError(f"must be a whole number of at most 64 bits, not {excerpt(text)}")
    return int(number)


to_int32 = integer_reader(-(1 << 31), (1 << 31) - 1)
to_uint32 = integer_reader(0, (1 << 32) - 1)
to_int64 = integer_reader(-(1 << 63), (1 << 63) - 1)
to_uint64 = integer_reader(0, (1 << 64) - 1)


def to_double(value: object) -> float:
    """Read a double: a number, a quoted number, or one of the strings `NaN`, `Infinity`, `-Infinity`."""
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is not str:
        raise JsonError(f"must be a number, not {excerpt(value)}")
    if value in _NONFINITE:
        return _NONFINITE[value]
    if not _NUMBER.fullmatch(value):
        raise JsonError(f"must be a number, not {excerpt(value)}")
    number = float(value)
    if math.isinf(number):
        raise JsonError(f"is too large for a double: {excerpt(value)}")
    return number


def to_float(value: object) -> float:
    """Read a float32: as a double, and within its range (numbers that round to its largest value are)."""
    number = to_double(value)
    if abs(number) >= FLOAT32_LIMIT and not (type(value) is str and value in _NONFINITE):
        raise JsonError(f"is too large for a 32-bit float: {excerpt(value)}")
    return number


def to_bool(value: object) -> bool:
    """Read a bool; ProtoJSON knows no quoted ones."""
    if type(value) is bool:
        return value
    raise JsonError(f"must be true or false, not {excerpt(value)}")


def to_string(value: object) -> str:
    """Read a string."""
    if type(value) is str:
        return value
    raise JsonError(f"must be a string, not {excerpt(value)}")


def to_bytes(value: object) -> bytes:
    """Read bytes from base64 of the standard or the URL-safe alphabet, padded or not."""
    if type(value) is not str:
        raise JsonError(f"must be a base64 string, not {excerpt(value)}")
    text = value.replace("-", "+").replace("_", "/")
    if len(text) % 4:
        text += "=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or a character outside ASCII
        raise JsonError(f"is not base64: {excerpt(value)}") from None


def base64_text(value: bytes) -> str:
    """Write bytes as padded base64 of the standard alphabet."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def nonfinite_text(value: float) -> str:
    """Write a number that JSON has no literal for."""
    if value != value:  # noqa: PLR0124  (only NaN differs from itself)
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def float32_number(value: float) -> float | str:
    """Give the shortest decimal number that reads back as the same float32; `0.1`, not `0.10000000149011612`."""
    if value - value != 0.0:
        return nonfinite_text(value)
    # Six digits are enough for what people write, eight or nine are needed for most others.
    short = float(f"{value:.6g}")
    if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value:
        return short
    long = float(f"{value:.8g}")
    if _FLOAT32.unpack(_FLOAT32.pack(long))[0] != value:
        return float(f"{value:.9g}")
    short = float(f"{value:.7g}")
    return short if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value else long


def is_negative_zero(value: float) -> bool:
    """Say whether a number is -0.0, which is not the default of a float field and so must be written."""
    return value == 0.0 and math.copysign(1.0, value) < 0.0
