"""What the transaction asks of a driver: execute a statement. One implementation per database."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy.engine import Dialect

from server.adapters.store.effort import EffortMeter
from server.adapters.store.statement import Parameters, Statement

Row = Sequence[Any]
"""Values of one row in the order of the statement's columns, as the driver gives them."""


class Cursor(Protocol):
    """The rows of a statement under way, to be taken a few at a time. Lives as long as its transaction at most."""

    async def fetch(self, count: int) -> Sequence[Row]:
        """The next rows; fewer than `count` only at the end."""
        ...


class Executor(Protocol):
    """One open transaction of one connection. Its methods may not be called side by side.

    A row that breaks a constraint raises `RowRefused`, a store that does not work `StoreUnavailable`.
    """

    @property
    def dialect(self) -> Dialect:
        """What statements are compiled for: some things each database does in a way of its own."""
        ...

    async def fetch(self, statement: Statement, parameters: Parameters) -> Sequence[Row]:
        """Execute; returns all rows."""
        ...

    async def execute_many(self, statement: Statement, parameters: Sequence[Parameters]) -> None:
        """Execute once for each set of parameters."""
        ...

    async def open(self, statement: Statement, parameters: Parameters) -> Cursor:
        """Execute; the rows are read as they are taken."""
        ...

    def measure_patterns(self, meter: EffortMeter) -> bool:
        """Whether statements may use the function `re2_search(pattern, text)`; if so its work is counted from now on.

        Such a statement raises `SearchTooBroad` when the meter says so.
        """
        ...

    async def lock_name(self, name: str) -> None:
        """Wait until no other writing transaction holds that name, then hold it to the end of this one. For things that
        may not exist yet and so have no row to lock."""
        ...

    async def time(self) -> int:
        """The database's own time in microseconds since 1970: one for all processes on it, and never moved back."""
        ...
