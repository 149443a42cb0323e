"""Removes contents of files that nobody knows: what crashes and lost runs left behind."""

from datetime import timedelta
from typing import Final

import structlog

from server.ports.blobs import Blobs
from server.ports.store import Store
from server.ports.system import Clock

_log = structlog.get_logger(__name__)
_BATCH: Final = 500


class FileSweep:
    """Looks at all contents and deletes those without a file."""

    INTERVAL: Final = timedelta(hours=1)
    GRACE: Final = timedelta(hours=1)
    """How long a content may wait for its row: many times what lies between the two in a run."""

    def __init__(self, *, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def sweep(self) -> None:
        """Delete every orphan older than `GRACE`. Raises `StoreUnavailable`."""
        async for found in self._blobs.stale(self._clock.now() - self.GRACE, batch=_BATCH):
            known = await self._store.read_system(lambda tx, found=found: tx.known_files(found))  # type: ignore[misc]
            orphans = [file_id for file_id in found if file_id not in known]
            if orphans:
                await self._blobs.delete(orphans)
                _log.info("orphaned_files_removed", count=len(orphans))
