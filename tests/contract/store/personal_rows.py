"""A user who has a row in every table, made from the tables' own description: one that comes later is covered as well.

Every text says whose it is, but for those of rows that an erasure leaves to the tenant.
"""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from sqlalchemy import Column, Integer, LargeBinary, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from server.adapters.store.personal_data import PERSONAL_DATA, Erased
from server.adapters.store.tables import METADATA
from server.domain.principal import Owner
from tests.contract.store.builders import new_id

NUMBERS: Final = count(1)
_STATES: Final = {
    "runs": "COMPLETED",
    "erasures": "DONE",
    "tool_calls": "COMPLETED",
    "approvals": "APPROVED",
    "webhook_deliveries": "DELIVERED",
}


@dataclass(slots=True)
class PersonalRows:
    """Makes one row of each table for a user; `actor` is who did things in the user's name."""

    owner: Owner
    actor: Owner
    canary: str
    ids: dict[str, str] = field(
        default_factory=lambda: {table.name: new_id() for table in METADATA.sorted_tables if "id" in table.c}
    )

    def row(self, table: Table) -> dict[str, Any]:
        """The values of the table's row by column."""
        return {column.name: self._value(table, column) for column in table.columns}

    def _value(self, table: Table, column: Column[Any]) -> Any:  # noqa: C901, PLR0911 - one line for each kind of column
        declared = PERSONAL_DATA[table.name]
        for key in column.foreign_keys:
            return self.ids[key.column.table.name]
        if column.name in ("id", "run_id"):
            return self.ids["runs" if column.name == "run_id" else table.name]
        if column.name in declared.ids:
            return self.actor.user_id
        if column.name in ("actor", "requested_by", "object"):
            return self.actor.user
        if (table.name, column.name) == ("erasures", "owner"):
            return "erased:somebody else"
        if column.name == "owner" and declared.erased is Erased.KEPT:
            return ""
        if column.name in ("tenant", "owner"):
            return getattr(self.owner, "user" if column.name == "owner" else "tenant")
        if column.name == "state":
            return _STATES[table.name]
        if column.name.endswith("_days"):
            return 1_000_000
        if isinstance(column.type, Integer):
            return next(NUMBERS)
        if isinstance(column.type, LargeBinary):
            return self.canary.encode()
        return self._text(table, column)

    def _text(self, table: Table, column: Column[Any]) -> str:
        declared = PERSONAL_DATA[table.name]
        if declared.erased in (Erased.RENAMED, Erased.KEPT) and column.name not in declared.names:
            return f"{table.name} {column.name} {next(NUMBERS)}"
        if column.name in ("result", "payload"):
            said = {"text": self.canary, "actor": self.actor.user, "decided_by": self.actor.user_id}
            return json.dumps(said, separators=(",", ":"))
        text = f"{self.canary} {table.name} {column.name} {next(NUMBERS)}"
        return json.dumps({"text": text}) if column.name in declared.json else text


async def fill(engine: AsyncEngine, rows: PersonalRows, *, but: tuple[str, ...] = ()) -> None:
    """Store a row of each table."""
    async with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            if table.name not in but:
                await connection.execute(insert(table).values(rows.row(table)))


async def dump(engine: AsyncEngine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    async with engine.connect() as connection:
        return {
            table.name: [dict(row._mapping) for row in await connection.execute(select(table))]
            for table in METADATA.sorted_tables
        }


async def remove(engine: AsyncEngine, table: str) -> None:
    """Delete all rows of a table."""
    async with engine.begin() as connection:
        await connection.execute(delete(METADATA.tables[table]))
