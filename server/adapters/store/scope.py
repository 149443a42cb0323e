"""What every part of an owner's transaction works through: its executor, and the owner in every statement."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from server.adapters.store.effort import EffortMeter
from server.adapters.store.executor import Cursor, Executor, Row
from server.adapters.store.statement import OWNER, TENANT, Foreign, Owned, Parameters
from server.domain.principal import Owner


class Scope:
    """One transaction, bound to an owner. Executes `Owned` statements only, always with this owner's names.

    `known` are ids of conversations and runs that the transaction has found to be the owner's, or made: rows that
    refer to them may be inserted without looking again.
    """

    __slots__ = ("_executor", "_names", "known", "owner")

    def __init__(self, executor: Executor, owner: Owner) -> None:
        self.owner = owner
        self.known: set[str] = set()
        self._executor = executor
        self._names = {TENANT: owner.tenant, OWNER: owner.user}

    @property
    def dialect(self) -> Dialect:
        """See `Executor.dialect`."""
        return self._executor.dialect

    async def fetch(self, statement: Owned, /, **parameters: Any) -> Sequence[Row]:
        """Execute; returns all rows."""
        parameters.update(self._names)
        return await self._executor.fetch(statement, parameters)

    async def fetch_one(self, statement: Owned, /, **parameters: Any) -> Row | None:
        """Execute; returns the first row."""
        parameters.update(self._names)
        rows = await self._executor.fetch(statement, parameters)
        return rows[0] if rows else None

    async def open(self, statement: Owned, /, **parameters: Any) -> Cursor:
        """Execute; the rows are read as they are taken."""
        parameters.update(self._names)
        return await self._executor.open(statement, parameters)

    async def is_anothers(self, statement: Foreign, row_id: str) -> bool:
        """Whether another user of the owner's tenant has the row of that id; nothing else is told of it."""
        return bool(await self._executor.fetch(statement, {"id": row_id, **self._names}))

    def measure_patterns(self, meter: EffortMeter) -> bool:
        """Whether statements may use `re2_search`; see `Executor.measure_patterns`."""
        return self._executor.measure_patterns(meter)

    async def owns(self, statement: Owned, row_id: str) -> bool:
        """Whether the owner has the row; `statement` finds it by the parameter `id`, unless it is known already."""
        if row_id not in self.known and await self.fetch_one(statement, id=row_id) is not None:
            self.known.add(row_id)
        return row_id in self.known

    async def insert(self, statement: Owned, rows: Sequence[Parameters]) -> None:
        """Execute once for each row."""
        await self._executor.execute_many(statement, [{**row, **self._names} for row in rows])

    async def lock_name(self, kind: str, name: str) -> None:
        """Hold a name of this owner's that has no row yet; see `Executor.lock_name`."""
        await self._executor.lock_name("\x1f".join((kind, self.owner.tenant, self.owner.user, name)))

    async def lock_tenant_name(self, kind: str) -> None:
        """Hold a name of the owner's whole tenant."""
        await self._executor.lock_name("\x1f".join((kind, self.owner.tenant)))
