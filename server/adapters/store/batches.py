"""Statements that deal with a bounded number of a table's rows, whoever owns them; for the service itself."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table, delete, select, tuple_, update

from server.adapters.store.paging import LIMIT
from server.adapters.store.statement import Statement


def some(
    table: Table, *conditions: ColumnElement[bool], in_order: ColumnElement[Any] | None = None
) -> ColumnElement[bool]:
    """Whether a row is among the first few for which the conditions hold, in whatever order unless one is given; takes
    the parameter `limit`."""
    identity = tuple(table.primary_key)
    chosen = select(*identity).where(*conditions).order_by(in_order).limit(LIMIT)
    return identity[0].in_(chosen) if len(identity) == 1 else tuple_(*identity).in_(chosen)


def delete_some(
    table: Table, *conditions: ColumnElement[bool], in_order: ColumnElement[Any] | None = None
) -> Statement:
    """Delete at most `limit` of the rows for which the conditions hold, the first ones if there is an order; returns a
    row for each."""
    return Statement(
        delete(table).where(some(table, *conditions, in_order=in_order)).returning(next(iter(table.primary_key)))
    )


def update_some(
    table: Table, values: dict[str, BindParameter[Any] | ColumnElement[Any]], *conditions: ColumnElement[bool]
) -> Statement:
    """Change at most `limit` of the rows for which the conditions hold; returns a row for each."""
    changed = update(table).where(some(table, *conditions)).values(values)
    return Statement(changed.returning(next(iter(table.primary_key))))
