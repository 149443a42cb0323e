"""Gives webhooks for which something is due to couriers of this process, one each.

Every process on a store does so; whoever is first has the webhook until nothing is due for it, or its lease lapses.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from server.domain.errors import StoreUnavailable
from server.domain.ids import WebhookId
from server.domain.run import Lease
from server.engine.webhooks.courier import Courier, CourierParts
from server.ports.store import SystemTransaction
from server.tasks import OwnTasks

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Served:
    courier: Courier
    news: asyncio.Event


class WebhookDispatch:
    """Entered with `async with`; on leaving, what is under way is broken off."""

    def __init__(self, parts: CourierParts) -> None:
        self._parts = parts
        self._served: dict[WebhookId, _Served] = {}
        self._due = asyncio.Event()
        self._group = OwnTasks()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._group.create_task(self._look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = list(self._served.values())
        await self._group.__aexit__(kind, error, trace)
        with suppress(StoreUnavailable):
            for served in left:
                await served.courier.hand_back()

    def queued(self) -> None:
        """Something may be due. Returns at once."""
        self._due.set()
        for served in self._served.values():
            served.news.set()

    async def _look(self) -> None:
        """Take up what is due, now and whenever something is queued."""
        while True:
            self._due.clear()
            try:
                await self._take_up()
            except StoreUnavailable as unavailable:
                _log.warning("store_unavailable", cause=unavailable.message)
            except Exception:  # noqa: BLE001 - the boundary of a loop that must not end while the service lives
                _log.exception("webhook_dispatch_failed")
            # Not `wait_for`, which forgets that it was cancelled when what it waits for happens at the same moment.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._parts.policy.look.total_seconds()):
                    await self._due.wait()

    async def _take_up(self) -> None:
        room = self._parts.policy.webhooks - len(self._served)
        if room <= 0:
            return

        async def find(tx: SystemTransaction) -> list[WebhookId]:
            return await tx.webhook_queue.due_webhooks(await tx.time(), limit=room)

        for webhook_id in await self._parts.store.read_system(find):
            if webhook_id not in self._served:
                await self._claim(webhook_id)

    async def _claim(self, webhook_id: WebhookId) -> None:
        async def unit(tx: SystemTransaction) -> int | None:
            now = await tx.time()
            lease = Lease(self._parts.worker, now + self._parts.limits.lease)
            return await tx.webhook_queue.claim_webhook(webhook_id, lease, now)

        epoch = await self._parts.store.write_system(unit)
        if epoch is None:
            return
        news = asyncio.Event()
        courier = Courier(self._parts, webhook_id, epoch, news=news)
        served = self._served[webhook_id] = _Served(courier, news)
        task = self._group.create_task(self._serve(webhook_id, courier))
        # Not at the end of the task's own code: a task that is cancelled before its first step has no such end.
        task.add_done_callback(lambda _: self._forget(webhook_id, served))

    async def _serve(self, webhook_id: WebhookId, courier: Courier) -> None:
        try:
            await courier.run()
        except Exception:  # noqa: BLE001 - the boundary of a webhook: what fails in one keeps nobody else's
            _log.exception("webhook_failed", webhook=webhook_id)

    def _forget(self, webhook_id: WebhookId, served: _Served) -> None:
        if self._served.get(webhook_id) is served:
            del self._served[webhook_id]
        # Something may have become due as it let go.
        self._due.set()
