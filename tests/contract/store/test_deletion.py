"""A conversation goes with everything in it: no row of any table outlives it, and nothing else goes.

The rows are made from the tables' own description, so that a table that comes later is covered as well.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Column, Integer, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.adapters.store.tables import METADATA, conversations
from server.domain.ids import ConversationId
from server.domain.run import RunState
from server.ports.store import Store
from tests.contract.store.builders import ALICE

_NAMES = {"conversation_id", "run_id", "message_id", "user_message_id", "session_id", "source_message_id"}
"""Columns that name a row of a conversation."""

_FIXED = {"tenant": ALICE.tenant, "owner": ALICE.user, "state": RunState.AWAITING_APPROVAL.value}
"""What a row cannot do without."""


def _belonging() -> Iterator[Table]:
    """The tables whose rows belong to a conversation, directly or not, those that others refer to first."""
    belonging = {conversations}
    for table in METADATA.sorted_tables:
        if any(key.column.table in belonging for key in table.foreign_keys):
            belonging.add(table)
            yield table


BELONGING = list(_belonging())


class _Rows:
    """Makes one row of each table for a conversation."""

    def __init__(self, name: str, numbers: "count[int]") -> None:
        self.ids = {"conversations": name}
        self._numbers = numbers

    def row(self, table: Table) -> dict[str, Any]:
        if "id" in table.c and table is not conversations:
            self.ids[table.name] = f"{self.ids['conversations']}-{table.name}"
        return {column.name: self._value(table, column) for column in table.columns}

    def _value(self, table: Table, column: Column[Any]) -> Any:
        for key in column.foreign_keys:
            return self.ids[key.column.table.name]
        if column.name == "id":
            return self.ids[table.name]
        if column.name in _FIXED:
            return _FIXED[column.name]
        is_whole = isinstance(column.type, Integer)
        return next(self._numbers) if is_whole else f"{self.ids['conversations']}-{column.name}"


async def _fill(engine: AsyncEngine, name: str, numbers: "count[int]") -> None:
    rows = _Rows(name, numbers)
    async with engine.begin() as connection:
        for table in (conversations, *BELONGING):
            await connection.execute(insert(table).values(rows.row(table)))


async def _found(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    async with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table))]
            for table in METADATA.sorted_tables
        }


async def test_no_row_of_any_table_outlives_its_conversation(store: Store, database_url: str) -> None:
    engine = create_async_engine(database_url)
    try:
        numbers = count(1)
        for name in ("kept", "gone"):
            await _fill(engine, name, numbers)
        before = await _found(engine)
        assert {name for name, rows in before.items() if len(rows) == 2} >= {table.name for table in BELONGING}
        await store.write(ALICE, lambda tx: tx.conversations.delete(ConversationId("gone")))
        after = await _found(engine)
    finally:
        await engine.dispose()
    for name, rows in after.items():
        assert not [row for row in rows if any("gone" in str(value) for value in row)], name
        assert rows == [row for row in before[name] if not any("gone" in str(value) for value in row)], name


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
def test_what_names_a_row_of_a_conversation_goes_with_it(table: Table) -> None:
    if _NAMES & set(table.columns.keys()):
        assert table in BELONGING
    for key in table.foreign_keys:
        if key.column.table in (conversations, *BELONGING):
            assert key.ondelete == "CASCADE"
