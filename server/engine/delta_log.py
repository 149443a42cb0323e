"""Stores an answer while it grows: the first piece at once, then what came together, batch by batch.

Cost follows batches, not tokens; nothing is shown to anyone before it is stored.
"""

import asyncio
from types import TracebackType
from typing import Self

from server.application.metering import Bill
from server.application.run_log import record
from server.domain.events import Payload
from server.domain.limits import Limits
from server.domain.run import Run
from server.engine.answer import Answer
from server.ports.provider import Piece
from server.ports.store import Store, Transaction
from server.ports.system import Clock


class RunLost(Exception):
    """The run is no longer this worker's: it was ended, deleted or claimed by another. Nothing more may be written."""


class DeltaLog:
    """Owns the task that writes an answer's deltas. Entered with `async with`; on leaving, the write under way comes to
    its end, so that what is not in the log then is exactly what the answer still holds as pending."""

    def __init__(self, *, store: Store, clock: Clock, limits: Limits, run: Run, answer: Answer, bill: Bill) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._run = run
        self._answer = answer
        self._bill = bill
        self._grown = asyncio.Event()
        self._full = asyncio.Event()
        self._closing = False
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_batches())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        writer = self._writer
        if writer is None:
            return
        self._closing = True
        self._grown.set()
        self._full.set()
        try:
            await asyncio.wait({writer})
        finally:
            writer.cancel()
        # Whatever ended the block: when a write failed, the log lacks pieces and nothing may be built on it.
        writer.result()

    def add(self, piece: Piece) -> None:
        """Take the next piece; it is stored soon. Raises what made an earlier write fail."""
        self._answer.add(piece)
        self._grown.set()
        if self._answer.pending_size >= self._limits.delta_bytes:
            self._full.set()
        if self._writer is not None and self._writer.done():
            self._writer.result()

    async def _write_batches(self) -> None:
        while not self._closing:
            await self._grown.wait()
            self._grown.clear()
            if not self._closing:
                await self._write(self._answer.take_pending())
                await self._gather()

    async def _gather(self) -> None:
        """Let pieces come together: until the interval is over or the batch is large."""
        self._full.clear()
        if self._closing or self._answer.pending_size >= self._limits.delta_bytes:
            return
        try:
            async with asyncio.timeout(self._limits.delta_interval.total_seconds()):
                await self._full.wait()
        except TimeoutError:
            return

    async def _write(self, payloads: list[Payload]) -> None:
        if not payloads:
            return
        run = self._run
        now = self._clock.now()
        requests, calls = self._answer.take_requests(), self._bill.unstored()

        async def unit(tx: Transaction) -> None:
            await hold(tx, run)
            await record(tx, run, payloads, now=now)
            for request in requests:
                await tx.model_requests.add(request)
            for call in calls:
                await tx.usage.open(call)

        await self._store.write(run.owner, unit)
        self._bill.stored(calls)


async def hold(tx: Transaction, run: Run) -> None:
    """Make sure that the run is still this worker's, and that nobody changes it or its conversation until the unit is
    over. Locks are taken in the order of all units: conversation, then run. Raises `RunLost`."""
    if await tx.conversations.lock_by_id(run.conversation_id) is None:
        raise RunLost
    if not await tx.runs.hold(run.id, epoch=run.epoch):
        raise RunLost
