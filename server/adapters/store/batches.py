"""Statements that deal with a bounded number of a table's rows, whoever owns them; for the service itself."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table, delete, select, tuple_, update

from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement


def some(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a row is among the first few for which the conditions hold; takes the parameter `limit`."""
    identity = tuple(table.primary_key)
    chosen = select(*identity).where(*conditions).limit(LIMIT)
    return identity[0].in_(chosen) if len(identity) == 1 else tuple_(*identity).in_(chosen)


def delete_some(table: Table, *conditions: ColumnElement[bool]) -> Statement:
    """Delete at most `limit` of the rows for which the conditions hold; returns a row for each."""
    return Statement(delete(table).where(some(table, *conditions)).returning(next(iter(table.primary_key))))


def update_some(
    table: Table, values: dict[str, BindParameter[Any] | ColumnElement[Any]], *conditions: ColumnElement[bool]
) -> Statement:
    """Change at most `limit` of the rows for which the conditions hold; returns a row for each."""
    changed = update(table).where(some(table, *conditions)).values(values)
    return Statement(changed.returning(next(iter(table.primary_key))))
