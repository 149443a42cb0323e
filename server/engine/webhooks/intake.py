"""Queues for webhooks what they are to be told of.

The event table is the outbox: an event that somebody may have to be told of is marked in the insert that stores it. One
process at a time goes through the marked events, and in one transaction queues each for every webhook of its tenant
that wants such and takes the marks away. So each is queued once for each, whenever a process dies, and sends touch
neither this object nor the queue.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from types import TracebackType
from typing import Final, Self

import orjson
import structlog

from server.domain.errors import StoreUnavailable
from server.domain.ids import DeliveryId, WebhookId, WorkerId
from server.domain.limits import Limits
from server.domain.outbox import Outlet, Unpublished, spans_of
from server.domain.webhook import Delivery, Webhook, WebhookPolicy
from server.domain.webhook_facts import facts_of
from server.engine.leadership import Leadership
from server.engine.tenure import Tenure
from server.failpoint import failpoint
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock, Ids
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)

# Events come together for so long before they are queued; the first after a silence is queued at once.
_GATHER: Final = timedelta(milliseconds=50)
_BACK_OFF: Final = timedelta(seconds=1)
_PAGE: Final = 100


class LeaseLost(Exception):
    """Another process queues by now; undoes a unit."""


@dataclass(frozen=True, slots=True)
class _Queued:
    events: int
    dropped: dict[WebhookId, int]


class WebhookIntake:
    """Entered with `async with`. `queued` is called when something is due."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        policy: WebhookPolicy,
        worker: WorkerId,
        wake: asyncio.Event,
        queued: Callable[[], None],
    ) -> None:
        """`wake` is set by whoever knows of new events, and cleared here."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._worker = worker
        self._wake = wake
        self._queued = queued
        self._tenure = Tenure(store=store, clock=clock, limits=limits, worker=worker, outlet=Outlet.WEBHOOKS)
        self._leadership = Leadership(
            tenure=self._tenure,
            clock=clock,
            heartbeat=limits.lease_heartbeat.total_seconds(),
            log="webhook_intake",
            work=self._take_in,
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

    async def _take_in(self) -> None:
        """Queue whatever is marked whenever there is something, until another does."""
        while True:
            self._wake.clear()
            try:
                while await self._page():
                    pass
            except LeaseLost:
                return
            except StoreUnavailable as unavailable:
                _log.warning("webhooks_not_queued", cause=unavailable.message)
                await self._clock.sleep(_BACK_OFF.total_seconds())
                continue
            await self._clock.sleep(min(_GATHER, self._policy.look).total_seconds())
            # Not `wait_for`, which forgets that it was cancelled when what it waits for happens at the same moment.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._policy.look.total_seconds()):
                    await self._wake.wait()

    async def _page(self) -> bool:
        """Queue some; returns whether there may be more. Raises `LeaseLost`."""
        if not await self._store.read_system(lambda tx: tx.webhook_queue.untold(limit=1)):
            return False
        failpoint("webhooks.found")
        done = await self._store.write_system(self._unit)
        failpoint("webhooks.queued")
        if done.events:
            self._queued()
        for webhook_id, count in done.dropped.items():
            _log.warning("webhook_events_dropped", webhook=webhook_id, events=count, cause="too many wait")
        return done.events == _PAGE

    async def _unit(self, tx: SystemTransaction) -> _Queued:
        queue, now = tx.webhook_queue, await tx.time()
        page = await queue.untold(limit=_PAGE)
        dropped: dict[WebhookId, int] = {}
        # In one order, for each tenant's webhooks are locked from here to the commit.
        for tenant, entries in groupby(sorted(page, key=_tenant), key=_tenant):
            told = list(entries)
            for webhook in await queue.listening(tenant):
                lost = await self._queue(tx, webhook, told, now)
                if lost:
                    dropped[webhook.id] = lost
        if not await queue.mark_told(spans_of(page), teller=self._worker, epoch=self._tenure.epoch):
            raise LeaseLost
        return _Queued(len(page), dropped)

    async def _queue(
        self, tx: SystemTransaction, webhook: Webhook, entries: Iterable[Unpublished], now: datetime
    ) -> int:
        """Queue what a webhook wants, as far as it may have more; returns how many events it may not."""
        wanted = list(self._deliveries(webhook, entries, now))
        if not wanted:
            return 0
        most = self._policy.backlog
        room = max(0, most - await tx.webhook_queue.count_waiting(webhook.id, limit=most))
        await tx.webhook_queue.queue(wanted[:room], now)
        dropped = len(wanted) - len(wanted[:room])
        await tx.webhook_queue.rouse(webhook.id, now, dropped=dropped)
        return dropped

    def _deliveries(self, webhook: Webhook, entries: Iterable[Unpublished], now: datetime) -> Iterator[Delivery]:
        for entry in entries:
            event, told = entry.event, facts_of(entry.event)
            if told is None or not webhook.wants(told[0]):
                continue
            yield Delivery(
                id=DeliveryId(str(self._ids.uuid())),
                webhook_id=webhook.id,
                owner=entry.owner,
                event=told[0],
                occurred_at=event.created_at,
                created_at=now,
                conversation_id=event.conversation_id,
                sequence=event.sequence,
                run_id=event.run_id,
                facts=orjson.dumps(told[1]).decode(),
            )


def _tenant(entry: Unpublished) -> str:
    return entry.owner.tenant
