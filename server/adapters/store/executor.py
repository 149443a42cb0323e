"""What the transaction asks of a driver: execute a statement. One implementation per database."""

from collections.abc import Sequence
from typing import Any, Protocol

from server.adapters.store.statement import Parameters, Statement

Row = Sequence[Any]
"""Values of one row in the order of the statement's columns, as the driver gives them."""


class Executor(Protocol):
    """One open transaction of one connection. Its methods may not be called side by side.

    A row that breaks a constraint raises `RowRefused`, a store that does not work `StoreUnavailable`.
    """

    async def fetch(self, statement: Statement, parameters: Parameters) -> Sequence[Row]:
        """Execute; returns all rows."""
        ...

    async def execute_many(self, statement: Statement, parameters: Sequence[Parameters]) -> None:
        """Execute once for each set of parameters."""
        ...

    async def lock_name(self, name: str) -> None:
        """Wait until no other writing transaction holds that name, then hold it to the end of this one. For things that
        may not exist yet and so have no row to lock."""
        ...

    async def time(self) -> int:
        """The database's own time in microseconds since 1970: one for all processes on it, and never moved back."""
        ...
