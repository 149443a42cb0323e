"""Deletes what conversations hold that were buried: contents first, then rows, a few at a time."""

from collections.abc import Awaitable, Callable
from typing import Final

from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.store import Store, SystemTransaction

ROWS: Final = 500
"""So many rows a unit deletes at most: other writers wait for no longer than that takes."""
_CONTENTS: Final = 100

Count = Callable[[SystemTransaction, int], Awaitable[None]]
"""Told inside each unit how many rows it deletes; may raise to have it undone."""


class Gravedigger:
    """Empties the graves of a tenant. Whoever else does so at the same time does no harm."""

    def __init__(self, *, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    async def empty(self, tenant: str, count: Count) -> int:
        """Delete everything that is buried; returns how many rows that were. Raises `StoreUnavailable`, and what
        `count` raises."""
        total = 0
        while gone := await self._some(tenant, count):
            total += gone
        return total

    async def _some(self, tenant: str, count: Count) -> int:
        found = await self._store.read_system(lambda tx: tx.buried_contents(tenant, limit=_CONTENTS))
        if found:
            await self._blobs.delete(found)
            failpoint("graves.contents_destroyed")

        async def unit(tx: SystemTransaction) -> int:
            gone = await tx.forget_contents(found)
            # A file's row goes after its content only, or nobody would know that there is one.
            if not await tx.buried_contents(tenant, limit=1):
                gone += await tx.dig(tenant, limit=ROWS)
            await count(tx, gone)
            failpoint("graves.digging")
            return gone

        return await self._store.write_system(unit)
