"""Publishes the outbox: one process at a time, everything at least once, nobody waiting for it.

Of all processes on a store that publish, one holds the outbox, under a lease with an epoch. The others look from time
to time whether it has lapsed. The one that holds it goes through the outbox page by page: read, deliver, mark. It may
die between any two of these: what was not marked is delivered again, under the same conversation and sequence. It may
also stand still and wake up when another has taken over: it looks at its lease before it delivers, and what it marks
under a lost epoch is refused, so at worst the same events come once more. A later event never comes first: whoever
delivers begins with the first unmarked event of a conversation, and marks follow what has arrived.

While the sink is away the outbox grows in the event table; sends and streams touch neither this object nor the sink.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import structlog

from server.domain.errors import StoreUnavailable
from server.domain.events import weight
from server.domain.ids import WorkerId
from server.domain.limits import Limits
from server.domain.outbox import BEGINNING, Place, Removal, Unpublished, spans_of
from server.engine.leadership import Leadership
from server.engine.tenure import Tenure
from server.failpoint import failpoint
from server.ports.event_sink import EventSink, SinkUnavailable
from server.ports.figures import PublisherFigures
from server.ports.store import Store
from server.ports.system import Clock
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

# Events come together for so long before they are published; the first after a silence is published at once.
_GATHER: Final = timedelta(milliseconds=15)
# How often the outbox is looked through though nobody told of anything new.
_LOOK: Final = timedelta(seconds=2)
_BACK_OFF: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
_FIRST_PAGE: Final = 64
_MOST: Final = 2000
_PAGE_BYTES: Final = 4 * 1024 * 1024


class Publisher:
    """Entered with `async with`, before anything is appended that is to be published."""

    def __init__(
        self,
        *,
        store: Store,
        sink: EventSink,
        clock: Clock,
        limits: Limits,
        worker: WorkerId,
        wake: asyncio.Event,
        figures: PublisherFigures,
    ) -> None:
        """`wake` is set by whoever knows of new events, and cleared here."""
        self._store = store
        self._sink = sink
        self._clock = clock
        self._wake = wake
        self._figures = figures
        self._tenure = Tenure(store=store, clock=clock, limits=limits, worker=worker)
        self._worker = worker
        self._leadership = Leadership(
            tenure=self._tenure,
            clock=clock,
            heartbeat=limits.lease_heartbeat.total_seconds(),
            log="publisher",
            work=self._publish,
            meanwhile=self._measure,
            afterwards=lambda: figures.waiting(0, 0.0),
        )
        self._group = OwnTasks()

    async def __aenter__(self) -> Self:
        await self._tenure.announce()
        await self._group.__aenter__()
        self._group.create_task(self._leadership.lead())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._group.__aexit__(kind, error, trace)
        with suppress(StoreUnavailable):
            await self._tenure.end()

    async def _measure(self) -> None:
        """Tell how much waits. What cannot be read now is told another time."""
        with suppress(StoreUnavailable):
            backlog = await self._store.read_system(lambda tx: tx.backlog())
            age = 0.0 if backlog.oldest is None else (self._clock.now() - backlog.oldest).total_seconds()
            self._figures.waiting(backlog.events, max(0.0, age))

    async def _publish(self) -> None:
        """Empty the outbox whenever there is something in it, until another holds it."""
        failures = 0
        while True:
            self._wake.clear()
            try:
                if not (await self._events() and await self._removals()):
                    return
                failures = 0
            except (SinkUnavailable, StoreUnavailable) as error:
                pause = _BACK_OFF[min(failures, len(_BACK_OFF) - 1)]
                failures += 1
                self._figures.failed()
                _log.warning("events_not_published", cause=str(error), failures=failures, again_in_seconds=pause)
                await self._clock.sleep(pause)
                continue
            await self._clock.sleep(_GATHER.total_seconds())
            # Not `wait_for`, which forgets that it was cancelled when what it waits for happens at the same moment.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK.total_seconds()):
                    await self._wake.wait()

    async def _events(self) -> bool:
        """Publish what waits, once through; `False` when the outbox is another's."""
        place, limit = BEGINNING, _FIRST_PAGE
        while True:
            page = await self._page(place, limit)
            if not page:
                return True
            failpoint("outbox.fetched")
            if not self._tenure.is_held:
                return False
            await self._sink.deliver(page)
            failpoint("outbox.sent")
            if not await self._mark(page):
                return False
            failpoint("outbox.marked")
            self._figures.published(len(page))
            if len(page) < limit:
                return True
            place, limit = page[-1].place, _next_size(page)

    async def _page(self, after: Place, limit: int) -> list[Unpublished]:
        return await self._store.read_system(lambda tx: tx.unpublished(after, limit=limit))

    async def _mark(self, page: Sequence[Unpublished]) -> bool:
        spans, epoch = spans_of(page), self._tenure.epoch
        return await self._store.write_system(lambda tx: tx.mark_published(spans, publisher=self._worker, epoch=epoch))

    async def _removals(self) -> bool:
        """Tell of deleted conversations, after whatever was delivered of them; `False` when the outbox is another's."""
        while removals := await self._store.read_system(lambda tx: tx.removals(limit=_MOST)):
            if not self._tenure.is_held:
                return False
            await self._sink.remove(removals)
            if not await self._forget(removals):
                return False
        return True

    async def _forget(self, removals: Sequence[Removal]) -> bool:
        epoch = self._tenure.epoch
        return await self._store.write_system(
            lambda tx: tx.forget_removals(removals, publisher=self._worker, epoch=epoch)
        )


def _next_size(page: Sequence[Unpublished]) -> int:
    """How many events of this page's kind may be held at a time."""
    average = sum(weight(entry.event) for entry in page) / len(page)
    return max(1, min(int(_PAGE_BYTES / average), _MOST))
