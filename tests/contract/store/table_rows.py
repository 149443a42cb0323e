"""Rows made from the tables' own description, so that a table that comes later is covered as well."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from server.adapters.store.tables import METADATA, conversations
from server.domain.principal import Owner
from server.domain.run import RunState

_FIXED = {"state": RunState.AWAITING_APPROVAL.value}
"""What a row cannot do without."""


def belonging() -> Iterator[Table]:
    """The tables whose rows belong to a conversation, directly or not, those that others refer to first."""
    found = {conversations}
    for table in METADATA.sorted_tables:
        if any(key.column.table in found for key in table.foreign_keys):
            found.add(table)
            yield table


def _beside() -> Iterator[Table]:
    """The tables of which rows that belong to a conversation name one that does not."""
    inside = {conversations, *belonging()}
    for table in METADATA.sorted_tables:
        if table not in inside and any(key.column.table is table for each in inside for key in each.foreign_keys):
            yield table


async def fill(connection: AsyncConnection, name: str, owner: Owner, numbers: "count[int]") -> None:
    """Store a conversation that has a row in every table that belongs to conversations."""
    rows = TableRows(name, owner, numbers)
    for table in _beside():
        if not (await connection.execute(select(table.c.id).where(table.c.id == rows.beside(table)))).all():
            await connection.execute(insert(table).values(rows.row(table)))
    for table in (conversations, *belonging()):
        await connection.execute(insert(table).values(rows.row(table)))


class TableRows:
    """Makes one row of each table for an owner, those first to which others refer: they refer to each other."""

    def __init__(self, name: str, owner: Owner, numbers: "count[int]") -> None:
        """`name` begins every text of the rows, and is the conversation's id; `numbers` are never twice the same."""
        self._names = {"tenant": owner.tenant, "owner": owner.user, **_FIXED}
        self._ids = {"conversations": name}
        self._name = name
        self._numbers = numbers

    def beside(self, table: Table) -> str:
        """The id of the one row of a table that all conversations of the tenant name."""
        return self._ids.setdefault(table.name, f"{self._names['tenant']}-{table.name}")

    def row(self, table: Table) -> dict[str, Any]:
        """The values of the table's row by column."""
        if "id" in table.c and table.name not in self._ids:
            self._ids[table.name] = f"{self._name}-{table.name}"
        return {column.name: self._value(table, column) for column in table.columns}

    def _value(self, table: Table, column: Column[Any]) -> Any:
        for key in column.foreign_keys:
            return self._ids[key.column.table.name]
        if column.name == "id":
            return self._ids[table.name]
        if column.name in self._names:
            return self._names[column.name]
        if isinstance(column.type, Integer):
            return next(self._numbers)
        text = f"{self._name}-{column.name}"
        return text.encode() if isinstance(column.type, LargeBinary) else text
