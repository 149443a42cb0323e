"""Carries out erasures of users: step by step, each a unit of its own, from wherever it was broken off.

An erasure is somebody's for as long as a lease lasts; every unit renews it, so that another process goes on with what a
killed one has left. The steps may be taken by several at once, and again at any time.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog

from server.application.audit import Audit
from server.domain.erasure import Erasure, ErasureState
from server.domain.ids import ConversationId, ErasureId, RunId, WorkerId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.run import Lease
from server.engine.gravedigger import ROWS, Gravedigger
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock

_log = structlog.get_logger(__name__)

SETTLING: Final = timedelta(seconds=2)
"""How long an erasure takes at least: longer than any process takes a key, or a user, for what it was."""
_CONVERSATIONS: Final = 50
_CONTENTS: Final = 100
_WAIT_SECONDS: Final = 0.5

Result = TypeVar("Result")


class ErasureLost(Exception):
    """Another process goes on with the erasure, or it is done."""


class Erasing:
    """Takes erasures that are nobody's and brings them to their end.

    `left` is told of runs and conversations that are gone, so that this process stops working on them and shows them to
    nobody any more; `erased` of users of whom nothing is left in the store.
    """

    def __init__(
        self,
        *,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        audit: Audit,
        limits: Limits,
        worker: WorkerId,
        left: Callable[[Collection[RunId], Collection[ConversationId]], None],
        erased: Callable[[Owner], None],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._audit = audit
        self._limits = limits
        self._worker = worker
        self._left = left
        self._erased = erased
        self._graves = Gravedigger(store=store, blobs=blobs)

    async def look(self) -> None:
        """Carry out what is there to be carried out. Raises `StoreUnavailable`."""
        while (erasure := await self._claim(None)) is not None:
            await self._carry_out(erasure)

    async def finish(self, erasure_id: ErasureId) -> Erasure:
        """Carry out one erasure, or wait until another process has; returns it as it is then. Raises
        `StoreUnavailable`."""
        while True:
            erasure = await self._claim(erasure_id)
            if erasure is not None:
                await self._carry_out(erasure)
            found = await self._store.read_system(lambda tx: tx.erasure(erasure_id))
            if found is None or found.state is ErasureState.DONE:
                assert found is not None  # noqa: S101 - no erasure is ever deleted
                return found
            await self._clock.sleep(_WAIT_SECONDS)

    async def _claim(self, only: ErasureId | None) -> Erasure | None:
        async def unit(tx: SystemTransaction) -> Erasure | None:
            now = await tx.time()
            return await tx.claim_erasure(self._lease(now), now, only=only)

        claimed = await self._store.write_system(unit)
        if claimed is not None:
            failpoint("erasure.claimed")
        return claimed

    async def _carry_out(self, erasure: Erasure) -> None:
        try:
            while await self._pass(erasure) or not await self._has_settled(erasure):
                pass
            self._erased(erasure.user)
            await self._store.scrub()
            failpoint("erasure.ending")
            await self._end(erasure)
        except ErasureLost:
            _log.info("erasure_lost", erasure=erasure.id)
            return
        failpoint("erasure.ended")
        await self._store.scrub()
        _log.info("user_erased", erasure=erasure.id)

    async def _pass(self, erasure: Erasure) -> int:
        """Go through all steps once; returns with how many rows they had to do."""
        user = erasure.user
        await self._unit(erasure, lambda tx: self._bar(tx, user))
        dealt_with = await self._bury(erasure)
        dealt_with += await self._graves.empty(user.tenant, lambda tx, rows: self._hold(tx, erasure, rows=rows))
        dealt_with += await self._contents(erasure)
        for name, step in _STEPS.items():
            while done := await self._unit(erasure, lambda tx, step=step: step(tx, erasure)):  # type: ignore[misc]
                dealt_with += done
                failpoint(f"erasure.{name}")
        return dealt_with

    async def _bar(self, tx: SystemTransaction, user: Owner) -> int:
        await tx.bar(user, self._clock.now())
        return 0

    async def _bury(self, erasure: Erasure) -> int:
        """Hide every conversation, end what goes on in them here and tell their readers; elsewhere the store does."""
        total = 0
        while True:

            async def unit(tx: SystemTransaction) -> tuple[Collection[RunId], Collection[ConversationId]]:
                buried = await tx.bury_of(erasure.user, limit=_CONVERSATIONS)
                await self._hold(tx, erasure, conversations=len(buried.conversations))
                return buried.runs, buried.conversations

            runs, conversations = await self._store.write_system(unit)
            if not conversations:
                return total
            failpoint("erasure.buried")
            self._left(runs, conversations)
            total += len(conversations)

    async def _contents(self, erasure: Erasure) -> int:
        """Destroy contents that belong to no conversation, then what is known of them."""
        total = 0
        while found := await self._store.read_system(lambda tx: tx.contents_of(erasure.user, limit=_CONTENTS)):
            await self._blobs.delete(found)
            failpoint("erasure.contents_destroyed")
            total += await self._unit(erasure, lambda tx, found=found: tx.forget_contents(found))  # type: ignore[misc]
        return total

    async def _has_settled(self, erasure: Erasure) -> bool:
        """Whether nobody takes the user's credentials for valid any more; if not yet, a moment later."""
        now = await self._store.read_system(lambda tx: tx.time())
        if now - erasure.requested_at >= SETTLING:
            return True
        await self._clock.sleep(_WAIT_SECONDS)
        return False

    async def _end(self, erasure: Erasure) -> None:
        async def unit(tx: SystemTransaction) -> None:
            await self._hold(tx, erasure)
            ended = await tx.erasure(erasure.id)
            assert ended is not None  # noqa: S101 - it is held
            await self._audit.record_end_of_erasure(tx, ended)
            await tx.end_erasure(erasure, self._clock.now())

        await self._store.write_system(unit)

    async def _unit(self, erasure: Erasure, work: Callable[[SystemTransaction], Awaitable[int]]) -> int:
        async def unit(tx: SystemTransaction) -> int:
            rows = await work(tx)
            await self._hold(tx, erasure, rows=rows)
            return rows

        return await self._store.write_system(unit)

    async def _hold(self, tx: SystemTransaction, erasure: Erasure, *, conversations: int = 0, rows: int = 0) -> None:
        lease = self._lease(await tx.time())
        if not await tx.hold_erasure(erasure.id, lease, conversations=conversations, rows=rows):
            raise ErasureLost

    def _lease(self, now: datetime) -> Lease:
        return Lease(self._worker, now + self._limits.lease)


_STEPS: Final[dict[str, Callable[[SystemTransaction, Erasure], Awaitable[int]]]] = {
    "rows_deleted": lambda tx, erasure: tx.erase_rows(erasure.user, limit=ROWS),
    "traces_renamed": lambda tx, erasure: tx.rename_traces(erasure, limit=ROWS),
}
