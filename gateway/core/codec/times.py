"""The JSON text of `google.protobuf.Timestamp` (RFC 3339, in UTC when written) and `google.protobuf.Duration`.

Dates are cached by day and clock times looked up by slices, which is several times as fast as `datetime` and strict
besides.
"""

import datetime as dt
import re
from functools import lru_cache
from typing import Any

from gateway.core.codec.errors import JsonError, excerpt

_DAY = 86400
_EPOCH = dt.date(1970, 1, 1).toordinal()
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z
_MAX_DURATION = 315_576_000_000  # ten thousand years
_BILLION = 1_000_000_000

_MINUTE_TEXTS = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
_SECOND_TEXTS = [f":{second:02}" for second in range(60)]
_MINUTES = {text: index * 60 for index, text in enumerate(_MINUTE_TEXTS)}
_SECONDS = {text: index for index, text in enumerate(_SECOND_TEXTS)}

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_TAIL = re.compile(r"(?:\.([0-9]{1,9}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_TIMESTAMP_FORM = "must be a time such as 2025-01-31T12:30:00.5Z"
_DURATION_FORM = "must be a duration in seconds such as 1.5s"


def timestamp_text(message: Any) -> str:
    """Write a Timestamp with 0, 3, 6 or 9 digits of fraction; JsonError when it is out of range."""
    seconds, nanos = message.seconds, message.nanos
    day, second = divmod(seconds, _DAY)
    minute, second = divmod(second, 60)
    head = f"{_date_text(day)}{_MINUTE_TEXTS[minute]}{_SECOND_TEXTS[second]}"
    if nanos == 0:
        return head + "Z"
    if not 0 < nanos < _BILLION:
        raise JsonError("is a timestamp whose nanos are not from 0 to 999999999")
    return f"{head}{_fraction_text(nanos)}Z"


def read_timestamp(message: Any, value: object, _depth: int = 0) -> int:
    """Set a Timestamp from its JSON text, in any offset from UTC."""
    if type(value) is not str:
        raise JsonError(f"{_TIMESTAMP_FORM}, not {excerpt(value)}")
    try:
        seconds = _date_seconds(value[:11]) + _MINUTES[value[11:16]] + _SECONDS[value[16:19]]
        tail = value[19:]
        nanos, offset = (0, 0) if tail == "Z" else _read_tail(tail)
    except LookupError:
        raise JsonError(f"{_TIMESTAMP_FORM}, not {excerpt(value)}") from None
    seconds -= offset
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise JsonError(f"must be from year 1 to 9999 in UTC, not {excerpt(value)}")
    message.seconds = seconds
    message.nanos = nanos
    return 0


def duration_text(message: Any) -> str:
    """Write a Duration with 0, 3, 6 or 9 digits of fraction; JsonError when it is out of range."""
    seconds, nanos = message.seconds, message.nanos
    if not -_MAX_DURATION <= seconds <= _MAX_DURATION or not -_BILLION < nanos < _BILLION or seconds * nanos < 0:
        raise JsonError("is a duration out of range, or one whose seconds and nanos differ in sign")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    fraction = _fraction_text(abs(nanos)) if nanos else ""
    return f"{sign}{abs(seconds)}{fraction}s"


def read_duration(message: Any, value: object, _depth: int = 0) -> int:
    """Set a Duration from its JSON text."""
    match = _DURATION.fullmatch(value) if type(value) is str else None
    if match is None:
        raise JsonError(f"{_DURATION_FORM}, not {excerpt(value)}")
    sign, whole, fraction = match.groups()
    seconds, nanos = int(whole), _nanos(fraction)
    if seconds > _MAX_DURATION:
        raise JsonError(f"must be at most {_MAX_DURATION} seconds either way, not {excerpt(value)}")
    message.seconds = -seconds if sign else seconds
    message.nanos = -nanos if sign else nanos
    return 0


@lru_cache(maxsize=4096)
def _date_text(day: int) -> str:
    try:
        return dt.date.fromordinal(_EPOCH + day).isoformat() + "T"
    except (ValueError, OverflowError):
        raise JsonError("is a timestamp outside the years 1 to 9999") from None


@lru_cache(maxsize=4096)
def _date_seconds(text: str) -> int:
    """Give the seconds of a date's midnight (`2025-01-31T`) since 1970; LookupError when it is none."""
    if not _DATE.fullmatch(text):
        raise LookupError
    try:
        return (dt.date.fromisoformat(text[:10]).toordinal() - _EPOCH) * _DAY
    except ValueError:
        raise LookupError from None


def _read_tail(text: str) -> tuple[int, int]:
    """Give the nanoseconds and the seconds of offset in what follows `hh:mm:ss`; LookupError when it is malformed."""
    match = _TAIL.fullmatch(text)
    if match is None:
        raise LookupError
    fraction, sign, hours, minutes = match.groups()
    offset = int(hours) * 3600 + int(minutes) * 60 if sign else 0
    return _nanos(fraction), -offset if sign == "-" else offset


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


def _fraction_text(nanos: int) -> str:
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06}"
    return f".{nanos:09}"
