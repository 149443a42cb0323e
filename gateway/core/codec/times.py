"""The JSON text of `google.protobuf.Timestamp` (RFC 3339, in UTC when written) and `google.protobuf.Duration`.

Hours are cached, minutes and fractions come from tables: several times as fast as `datetime`, and strict besides.
"""

import datetime as dt
import re
from typing import Any

from gateway.core.codec.document import TEXT_COLON
from gateway.core.codec.errors import JsonError, excerpt

_HOUR = 3600
_EPOCH = dt.date(1970, 1, 1).toordinal()
_MIN_SECONDS = -62_135_596_800  # 0001-01-01T00:00:00Z
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z
_MAX_DURATION = 315_576_000_000  # ten thousand years
_BILLION = 1_000_000_000
_MILLION = 1_000_000
_CLOCK_COLONS = 2 * TEXT_COLON
_KNOWN_HOURS = 8192

_CLOCK_TEXTS = [f":{minute:02}:{second:02}" for minute in range(60) for second in range(60)]
_MILLI_TEXTS = [f".{milli:03}" for milli in range(1000)]
_CLOCK_SECONDS = {text: second for second, text in enumerate(_CLOCK_TEXTS)}
_TAIL_NANOS = {text + "Z": milli * _MILLION for milli, text in enumerate(_MILLI_TEXTS)} | {"Z": 0}

_HOUR_TEXT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3])")
_TAIL = re.compile(r"(?:\.([0-9]{1,9}))?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_TIMESTAMP_FORM = "must be a time such as 2025-01-31T12:30:00.5Z"
_DURATION_FORM = "must be a duration in seconds such as 1.5s"


def timestamp_text(message: Any) -> str:
    """Write a Timestamp with 0, 3, 6 or 9 digits of fraction; JsonError when it is out of range."""
    seconds: int = message.seconds
    nanos: int = message.nanos
    head: str = _HOUR_TEXTS[seconds // _HOUR] + _CLOCK_TEXTS[seconds % _HOUR]
    if nanos == 0:
        return head + "Z"
    if not 0 < nanos < _BILLION:
        raise JsonError("is a timestamp whose nanos are not from 0 to 999999999")
    micros, rest = divmod(nanos, 1_000)
    if rest or micros % 1_000 == 0:
        return f"{head}{_fraction_text(nanos)}Z"
    return f"{head}.{micros:06}Z"


def read_timestamp(message: Any, value: object, _depth: int = 0) -> int:
    """Set a Timestamp from its JSON text, in any offset from UTC; gives how many colons it has."""
    if type(value) is not str:
        raise JsonError(f"{_TIMESTAMP_FORM}, not {excerpt(value)}")
    offset = 0
    try:
        seconds = _HOUR_SECONDS[value[:13]] + _CLOCK_SECONDS[value[13:19]]
        nanos = _TAIL_NANOS.get(value[19:])
        if nanos is None:
            nanos, offset = _read_tail(value[19:])
    except LookupError:
        raise JsonError(f"{_TIMESTAMP_FORM}, not {excerpt(value)}") from None
    if offset:
        seconds -= offset
        if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
            raise JsonError(f"must be from year 1 to 9999 in UTC, not {excerpt(value)}")
    message.seconds = seconds
    message.nanos = nanos
    return value.count(":") * TEXT_COLON if offset else _CLOCK_COLONS


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


class _HourTexts(dict[int, str]):
    """`2025-01-31T12` by the hours since 1970; a subscript, when the hour is known, is less than a cached call."""

    def __missing__(self, hour: int) -> str:
        day, hour_of_day = divmod(hour, 24)
        try:
            text = f"{dt.date.fromordinal(_EPOCH + day).isoformat()}T{hour_of_day:02}"
        except (ValueError, OverflowError):
            raise JsonError("is a timestamp outside the years 1 to 9999") from None
        if len(self) >= _KNOWN_HOURS:
            self.clear()
        self[hour] = text
        return text


class _HourSeconds(dict[str, int]):
    """The seconds of `2025-01-31T12` since 1970; LookupError for a text that is no such hour."""

    def __missing__(self, text: str) -> int:
        match = _HOUR_TEXT.fullmatch(text)
        if match is None:
            raise LookupError
        try:
            day = dt.date.fromisoformat(match[1]).toordinal() - _EPOCH
        except ValueError:
            raise LookupError from None
        if len(self) >= _KNOWN_HOURS:
            self.clear()
        seconds = self[text] = (day * 24 + int(match[2])) * _HOUR
        return seconds


_HOUR_TEXTS = _HourTexts()
_HOUR_SECONDS = _HourSeconds()


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
    if nanos % _MILLION == 0:
        return _MILLI_TEXTS[nanos // _MILLION]
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06}"
    return f".{nanos:09}"
