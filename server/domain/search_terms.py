"""Reads searches as callers write them: `[field, operator, value]`, and says which part of which filter is wrong."""

import math
import re
from collections.abc import Sequence
from typing import Any, Final

from server.domain.errors import FieldViolation, InvalidField
from server.domain.pattern import BadPattern, Pattern
from server.domain.search import Effort, Field, Filter, Kind, Operand, Operator, Search

MOST_FILTERS: Final = 32
_PARTS: Final = 3
_EXACT: Final = 2**53 - 1
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EQUALITIES: Final = (Operator.EQUAL, Operator.NOT_EQUAL)
_FIELDS: Final = ", ".join(Field)
_OPERATORS: Final = ", ".join(Operator)
_SHOWN: Final = 32


class _Wrong(Exception):
    """A part of a filter cannot be meant so. `part` is its place in the filter, `None` the whole."""

    def __init__(self, part: int | None, description: str) -> None:
        super().__init__(description)
        self.part = part
        self.description = description


def read_search(
    *,
    filters: Sequence[Sequence[Any]] = (),
    sort_key: str = "",
    descending: bool = False,
    start: int | None = None,
    end: int | None = None,
    effort: Effort,
) -> Search:
    """The search of these terms; the values of filters are of JSON's types. Without a key it sorts by age.

    Raises `InvalidField` with every violation: of `filters[1][2]` when the value of the second filter is wrong.
    """
    violations: list[FieldViolation] = []
    read = [_read_or_note(index, parts, violations) for index, parts in enumerate(filters[:MOST_FILTERS])]
    if len(filters) > MOST_FILTERS:
        violations.append(FieldViolation("filters", f"may be at most {MOST_FILTERS}"))
    sort = Field.CREATED_AT if not sort_key else _field(sort_key)
    if sort is None:
        violations.append(FieldViolation("sort_key", f"must be one of {_FIELDS}, not {_shown(sort_key)}"))
    violations += _range_violations(start, end)
    if violations:
        raise InvalidField(violations)
    return Search(
        filters=tuple(each for each in read if each is not None),
        sort=sort or Field.CREATED_AT,
        descending=descending,
        start=start or 0,
        end=end,
        effort=effort,
    )


def _range_violations(start: int | None, end: int | None) -> list[FieldViolation]:
    found = [
        FieldViolation(name, "must not be negative")
        for name, value in (("limit_from", start), ("limit_to", end))
        if value is not None and value < 0
    ]
    if not found and end is not None and end < (start or 0):
        found.append(FieldViolation("limit_to", "must not be below limit_from"))
    return found


def _read_or_note(index: int, parts: Sequence[Any], violations: list[FieldViolation]) -> Filter | None:
    try:
        return _read(parts)
    except _Wrong as wrong:
        part = "" if wrong.part is None else f"[{wrong.part}]"
        violations.append(FieldViolation(f"filters[{index}]{part}", wrong.description))
        return None


def _read(parts: Sequence[Any]) -> Filter:
    if len(parts) != _PARTS:
        raise _Wrong(None, "must be [field, operator, value]")
    name, sign, value = parts
    field = _field(name)
    if field is None:
        raise _Wrong(0, f"must be one of {_FIELDS}, not {_shown(name)}")
    if not isinstance(sign, str) or sign not in set(Operator):
        raise _Wrong(1, f"must be one of {_OPERATORS}, not {_shown(sign)}")
    operator = Operator(sign)
    return Filter(field, operator, _operand(field, operator, value))


def _operand(field: Field, operator: Operator, value: Any) -> Operand:
    if value is None:
        if not field.is_nullable:
            raise _Wrong(2, f"{field} is never null")
        if operator not in _EQUALITIES:
            raise _Wrong(2, "null can be compared with == and != only")
        return None
    if operator is Operator.REGEX:
        return _pattern(field, value)
    if field.kind is Kind.TIME:
        return _milliseconds(value)
    if not isinstance(value, str):
        raise _Wrong(2, f"must be a text, not {_shown(value)}")
    if field.kind is Kind.TEXT:
        return value
    # Either case is accepted, as everywhere; stored is the lower one.
    if not _UUID.fullmatch(value.lower()):
        raise _Wrong(2, f"must be a UUID, not {_shown(value)}")
    return value.lower()


def _pattern(field: Field, value: Any) -> Pattern:
    if field.kind is Kind.TIME:
        raise _Wrong(1, f"{field} is a number, regex finds texts")
    if not isinstance(value, str):
        raise _Wrong(2, f"must be a pattern, not {_shown(value)}")
    try:
        return Pattern(value)
    except BadPattern as error:
        raise _Wrong(2, f"no pattern of RE2: {error}") from None


def _milliseconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(2, f"must be a number of milliseconds, not {_shown(value)}")
    if not math.isfinite(value) or abs(value) > _EXACT:
        raise _Wrong(2, f"must be within ±{_EXACT}")
    if value != int(value):
        raise _Wrong(2, "must be a whole number of milliseconds")
    return int(value)


def _field(name: Any) -> Field | None:
    return next((field for field in Field if field == name), None)


def _shown(value: Any) -> str:
    match value:
        case str():
            return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
        case bool():
            return "true" if value else "false"
        case dict():
            return "an object"
        case list() | tuple():
            return "a list"
        case None:
            return "null"
    return f"{value:g}"
