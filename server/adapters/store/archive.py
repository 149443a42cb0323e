"""The archive of the transaction's owner: searches are put together from the tables, one statement for each shape.

The values of a search are parameters, so that searches that differ in nothing else share a statement. Texts compare by
code point on both databases. On PostgreSQL U+0000 sorts as U+FFFE, as which it is stored there.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Select, bindparam, func, literal_column, or_, select

from server.adapters.store import tables
from server.adapters.store.columns import STRING
from server.adapters.store.conversations import COLUMNS, conversation_of
from server.adapters.store.effort import EffortMeter
from server.adapters.store.executor import Row
from server.adapters.store.histories import StoredHistories
from server.adapters.store.paging import LIMIT
from server.adapters.store.scope import Scope
from server.adapters.store.statement import Owned, foreign, owned
from server.domain.conversation import Conversation
from server.domain.ids import ConversationId
from server.domain.message import Message
from server.domain.pattern import Pattern
from server.domain.search import Field, Filter, Kind, Operator, Search

_table = tables.conversations
_c = _table.c
_STATEMENTS_KEPT: Final = 256
_ROWS_AT_ONCE: Final = 256
_MICROS: Final = 1000
"""Microseconds, in which times are stored, of the milliseconds that are searched for."""
_OFFSET: Final = bindparam("offset", type_=BigInteger)
_STORED: Final[Mapping[Field, Column[Any]]] = {
    Field.ID: _c.id,
    Field.NAME: _c.name,
    Field.MODEL: _c.model,
    Field.IMAGE_MODEL: _c.image_model,
    Field.SUMMARY: _c.summary,
    Field.ORGANIZATION_ID: _c.organization_id,
    Field.ASSISTANT_ID: _c.assistant_id,
    Field.CREATED_BY: _c.created_by,
    Field.CREATED_AT: _c.created_at,
    Field.UPDATED_BY: _c.updated_by,
    Field.UPDATED_AT: _c.updated_at,
    Field.ACCESSED_BY: _c.accessed_by,
    Field.ACCESSED_AT: _c.accessed_at,
}
_COMPARED: Final[Mapping[Field, ColumnElement[Any]]] = {
    **_STORED,
    Field.ACCESSED_AT: func.coalesce(_c.accessed_at, literal_column("0")),
}
_COMPARISONS: Final[Mapping[Operator, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.BELOW: operator.lt,
    Operator.ABOVE: operator.gt,
    Operator.AT_MOST: operator.le,
    Operator.AT_LEAST: operator.ge,
}
_FOREIGN = foreign(_table)


class Term(NamedTuple):
    """What of a filter decides the statement."""

    field: Field
    operator: Operator
    is_null: bool = False


class Shape(NamedTuple):
    """What of a search decides its statement. With patterns the database itself looks for them; without it gives every
    candidate, in order."""

    terms: tuple[Term, ...]
    sort: Field
    descending: bool
    has_patterns: bool = True


class StoredArchive:
    """See `ports.archive.Archive`."""

    __slots__ = ("_histories", "_scope")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._histories = StoredHistories(scope)

    async def find(self, search: Search, *, most: int) -> list[Conversation]:
        """The conversations of a search, at most that many of them. Raises `SearchTooBroad`."""
        count = most if search.end is None else min(most, search.end - search.start)
        patterns = [each for each in search.filters if each.operator is Operator.REGEX]
        meter = EffortMeter(search.effort)
        if not patterns or self._scope.measure_patterns(meter):
            statement = search_statement(_shape(search, has_patterns=True))
            rows = await self._scope.fetch(statement, limit=count, offset=search.start, **_values(search.filters))
        else:
            rows = await self._look_through(search, patterns, meter, count)
        return [conversation_of(row) for row in rows]

    async def histories(
        self, conversation_ids: Sequence[ConversationId], *, most_bytes: int
    ) -> dict[ConversationId, list[Message]]:
        """The history of each conversation, in order. Raises `ReplyTooLarge`."""
        return await self._histories.of(conversation_ids, most_bytes=most_bytes)

    async def is_anothers(self, conversation_id: ConversationId) -> bool:
        """Whether another user of the owner's tenant has the conversation."""
        return await self._scope.is_anothers(_FOREIGN, conversation_id)

    async def _look_through(
        self, search: Search, patterns: Sequence[Filter], meter: EffortMeter, count: int
    ) -> Sequence[Row]:
        """Take candidates from the database, some at a time, until enough have been found."""
        others = [each for each in search.filters if each.operator is not Operator.REGEX]
        statement = search_statement(_shape(search, has_patterns=False))
        cursor = await self._scope.open(statement, **_values(others))
        found: list[Row] = []
        skipped, has_more = 0, count > 0
        while has_more and len(found) < count:
            rows = await cursor.fetch(_ROWS_AT_ONCE)
            has_more = len(rows) == _ROWS_AT_ONCE
            for row in rows:
                if not all(_is_in(pattern, row, meter) for pattern in patterns):
                    continue
                if skipped < search.start:
                    skipped += 1
                elif len(found) < count:
                    found.append(row)
        return found


@lru_cache(maxsize=_STATEMENTS_KEPT)
def search_statement(shape: Shape) -> Owned:
    """The statement of all searches of a shape. Its parameters are those of `_values`, and `limit` and `offset` where
    it has the patterns."""
    # SQLite tries conditions as they stand: patterns last, so that they are looked for in little.
    terms = sorted(enumerate(shape.terms), key=lambda item: item[1].operator is Operator.REGEX)
    conditions = [_condition(number, term) for number, term in terms]
    sought = _sorted(select(*COLUMNS).where(*conditions), shape.sort, descending=shape.descending)
    return owned(sought.limit(LIMIT).offset(_OFFSET) if shape.has_patterns else sought, _table)


def _shape(search: Search, *, has_patterns: bool) -> Shape:
    terms = [Term(each.field, each.operator, each.operand is None) for each in search.filters]
    if not has_patterns:
        terms = [term for term in terms if term.operator is not Operator.REGEX]
    return Shape(tuple(terms), search.sort, search.descending, has_patterns)


def _values(filters: Sequence[Filter]) -> dict[str, Any]:
    """The parameters of filters, numbered as they stand: `value_0`, or `low_0` and `high_0` for all microseconds of a
    millisecond."""
    values: dict[str, Any] = {}
    for number, each in enumerate(filters):
        match each.operand:
            case Pattern(text=text):
                values[f"value_{number}"] = text
            case int(milliseconds):
                values[f"low_{number}"] = milliseconds * _MICROS
                values[f"high_{number}"] = milliseconds * _MICROS + _MICROS - 1
            case str(text):
                values[f"value_{number}"] = text
    return values


def _condition(number: int, term: Term) -> ColumnElement[bool]:
    column = _COMPARED[term.field]
    if term.is_null:
        return column.is_(None) if term.operator is Operator.EQUAL else column.is_not(None)
    if term.field.kind is Kind.TIME:
        return _time_condition(column, term.operator, number)
    value = bindparam(f"value_{number}", type_=STRING)
    if term.operator is Operator.REGEX:
        return func.re2_search(value, column, type_=Integer) == literal_column("1")
    condition = _COMPARISONS[term.operator](column, value)
    # To SQL a missing value is not even unequal.
    has_to_be_there = term.operator is not Operator.NOT_EQUAL or not term.field.is_nullable
    return condition if has_to_be_there else or_(condition, column.is_(None))


def _time_condition(column: ColumnElement[Any], sign: Operator, number: int) -> ColumnElement[bool]:
    low = bindparam(f"low_{number}", type_=BigInteger)
    high = bindparam(f"high_{number}", type_=BigInteger)
    match sign:
        case Operator.EQUAL:
            return column.between(low, high)
        case Operator.NOT_EQUAL:
            return or_(column < low, column > high)
        case Operator.BELOW | Operator.AT_LEAST:
            return _COMPARISONS[sign](column, low)
    return _COMPARISONS[sign](column, high)


def _sorted(sought: Select[Any], field: Field, *, descending: bool) -> Select[Any]:
    """By the field, then by id. What has no value comes before all that has one; said only where it can be missing, for
    PostgreSQL then uses no index."""
    key, row_id = _COMPARED[field], _c.id
    if field is Field.ID:
        return sought.order_by(row_id.desc() if descending else row_id)
    if descending:
        return sought.order_by(key.desc().nulls_last() if field.is_nullable else key.desc(), row_id.desc())
    return sought.order_by(key.asc().nulls_first() if field.is_nullable else key.asc(), row_id)


def _is_in(filter_: Filter, row: Row, meter: EffortMeter) -> bool:
    text = row[COLUMNS.index(_STORED[filter_.field])]
    if text is None or not isinstance(filter_.operand, Pattern):
        return False
    meter.spend()
    return filter_.operand.is_in(text)
