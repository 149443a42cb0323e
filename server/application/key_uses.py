"""Counts how often keys are used, beside the calls that use them: no call waits for a count."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from server.domain.errors import StoreUnavailable
from server.domain.ids import KeyId
from server.domain.key import ApiKey, KeyUse
from server.ports.store import Store
from server.ports.system import Clock
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

_INTERVAL: Final = timedelta(seconds=5)


class KeyUses:
    """Entered with `async with`, it writes what it has counted every few seconds, and the rest as it is left. What was
    not written when a process is killed is not counted."""

    def __init__(self, *, store: Store, clock: Clock, interval: timedelta = _INTERVAL) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval.total_seconds()
        self._counted: dict[tuple[KeyId, date], KeyUse] = {}
        self._tasks = OwnTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self._write_now_and_then())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)
        with suppress(StoreUnavailable):
            await self.write()

    def count(self, key: ApiKey) -> None:
        """A call has shown the key, which is valid."""
        now = self._clock.now()
        self._add([KeyUse(key.id, now.date(), 1, now)])

    async def write(self) -> None:
        """Store what was counted since the last time. Raises `StoreUnavailable`; then it is kept for the next time."""
        if not self._counted:
            return
        uses, self._counted = list(self._counted.values()), {}
        try:
            await self._store.write_system(lambda tx: tx.count_uses(uses))
        except StoreUnavailable:
            self._add(uses)
            raise

    def _add(self, uses: Sequence[KeyUse]) -> None:
        for use in uses:
            known = self._counted.get((use.key_id, use.day))
            if known is not None:
                last = max(known.last_used_at, use.last_used_at)
                use = KeyUse(use.key_id, use.day, known.requests + use.requests, last)  # noqa: PLW2901 - the sum of both
            self._counted[use.key_id, use.day] = use

    async def _write_now_and_then(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.write()
            except StoreUnavailable:
                _log.warning("key_uses_not_written", keys=len(self._counted))
