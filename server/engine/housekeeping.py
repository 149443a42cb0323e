"""Forgets what has served its time."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from server.domain.limits import Limits
from server.domain.usage import ModelCall
from server.ports.store import Store, SystemTransaction, Transaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)

_BATCH: Final = 1000
_OLD: Final = timedelta(minutes=1)


class Housekeeping:
    """Removes from the store what nobody may ask for any more."""

    INTERVAL: Final = timedelta(minutes=10)

    def __init__(self, *, store: Store, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def tidy(self) -> None:
        """Forget outdated request ids, cached answers and leaves to upload, in batches so short that other units do not
        wait, and settle model calls that were given up. Raises `StoreUnavailable`."""
        now = self._clock.now()
        await self._settle(now)
        before = now - self._limits.idempotency_retention
        forgotten = _BATCH
        while forgotten == _BATCH:
            forgotten = await self._store.write_system(lambda tx: tx.forget_requests(before, limit=_BATCH))
        forgotten = _BATCH
        while forgotten == _BATCH:
            forgotten = await self._store.write_system(lambda tx: tx.forget_answers(now, limit=_BATCH))
        forgotten = _BATCH
        while forgotten == _BATCH:
            forgotten = await self._store.write_system(lambda tx: tx.forget_grants(now, limit=_BATCH))
        if await self._store.write_system(_forget_wish):
            _log.warning("events_no_longer_kept", cause="no process has published events for a week")

    async def _settle(self, now: datetime) -> None:
        """Let calls cost what they are taken to have cost whose process died beside a run: titles, summaries."""
        begun_before = now - _OLD
        found = await self._store.read_system(lambda tx: tx.lapsed_calls(now, begun_before=begun_before, limit=_BATCH))
        for owner, call in found:

            async def unit(tx: Transaction, call: ModelCall = call) -> None:
                if await tx.conversations.lock_by_id(call.conversation_id) is None:
                    return
                # Whoever made it may have told in the meantime.
                if call in await tx.usage.open_in(call.conversation_id):
                    await tx.usage.settle(call, call.given_up())

            await self._store.write(owner, unit)


async def _forget_wish(tx: SystemTransaction) -> bool:
    return await tx.forget_wish(await tx.time())
