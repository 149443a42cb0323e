"""A conversation goes with everything in it: no row of any table outlives it, and nothing else goes."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.adapters.store.tables import METADATA, conversations
from server.domain.ids import ConversationId
from server.ports.store import Store
from tests.contract.store.builders import ALICE
from tests.contract.store.table_rows import belonging, fill

_NAMES = {"conversation_id", "run_id", "message_id", "user_message_id", "session_id", "source_message_id"}
"""Columns that name a row of a conversation."""

BELONGING = list(belonging())


async def _fill(engine: AsyncEngine, name: str, numbers: "count[int]") -> None:
    async with engine.begin() as connection:
        await fill(connection, name, ALICE, numbers)


async def _found(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    async with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table))]
            for table in METADATA.sorted_tables
        }


async def test_no_row_of_any_table_outlives_its_conversation(store: Store, unbound_url: str) -> None:
    engine = create_async_engine(unbound_url)
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
    # The note that a conversation is gone is made by its deletion, and goes once the outside is told. A memory is the
    # user's, whatever it was taken from.
    if _NAMES & set(table.columns.keys()) and table.name not in ("event_removals", "memories"):
        assert table in BELONGING
    for key in table.foreign_keys:
        if key.column.table in (conversations, *BELONGING):
            assert key.ondelete == "CASCADE"
