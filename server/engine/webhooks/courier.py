"""Sends what is due for one webhook, as long as this process has its lease.

What came of attempts is stored and what is due is fetched in the same transaction, which also renews the lease. Between
the receiver's answer and that transaction a process may die: then the delivery is made again, under the same id. What
is behind another delivery of its conversation becomes due in the transaction that stores the end of that one.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from server.application.webhook_body import body_of
from server.application.webhook_signing import WebhookSecrets, signed_headers
from server.domain.audit import SERVICE, Act, AuditRecord, Deed
from server.domain.errors import StoreUnavailable
from server.domain.ids import AuditId, WebhookId, WorkerId
from server.domain.limits import Limits
from server.domain.run import Lease
from server.domain.webhook import Delivery, DeliveryError, DeliveryState, Due, Webhook, WebhookEvent, WebhookPolicy
from server.domain.webhook_retry import Attempt, Patience
from server.failpoint import failpoint
from server.ports.store import Store, SystemTransaction
from server.ports.system import Clock, Ids
from server.ports.webhook_sender import WebhookLine, WebhookSender

_log = structlog.get_logger(__name__)

_BACK_OFF_SECONDS: Final = 0.5
_GATHER_SECONDS: Final = 0.005
_HASTENED: Final = 500
_FORGET_AFTER: Final = 100
_FORGOTTEN: Final = 500


@dataclass(frozen=True, slots=True)
class CourierParts:
    """What every courier of a process works with."""

    store: Store
    clock: Clock
    ids: Ids
    limits: Limits
    policy: WebhookPolicy
    sender: WebhookSender
    secrets: WebhookSecrets
    patience: Patience
    worker: WorkerId
    requests: asyncio.Semaphore
    """Bounds the requests of all of them."""
    settled: Counter[WebhookId] = field(default_factory=Counter)
    """How many deliveries of each webhook were stored since its oldest were last forgotten."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A delivery, and what came of sending it."""

    delivery: Delivery
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a webhook stands after a transaction; without one the lease is lost, or it is disabled or deleted."""

    webhook: Webhook | None = None
    due: tuple[tuple[Due, str | None], ...] = ()
    """What is to be sent, each with the text of the answer if that is told."""
    is_released: bool = False


class Courier:
    """Serves one webhook whose lease was claimed under an epoch; `run` returns when there is nothing left to do."""

    def __init__(self, parts: CourierParts, webhook_id: WebhookId, epoch: int, *, news: asyncio.Event) -> None:
        """`news` is set when something may have been queued for it."""
        self._parts = parts
        self._webhook_id = webhook_id
        self._epoch = epoch
        self._news = news
        self._sending: dict[asyncio.Task[_Sent | None], Delivery] = {}
        self._sent: list[_Sent] = []
        self._held_until = 0.0
        self._is_catching_up = False
        self._line: WebhookLine | None = None
        self._url = ""

    async def run(self) -> None:
        """Send until nothing is due, or the webhook is no longer this process's."""
        async with AsyncExitStack() as lines:
            try:
                while await self._go_on(lines):
                    pass
            finally:
                await self._abandon()

    async def _go_on(self, lines: AsyncExitStack) -> bool:
        self._news.clear()
        try:
            step = await self._step()
        except StoreUnavailable as unavailable:
            _log.warning("webhook_not_served", webhook=self._webhook_id, cause=unavailable.message)
            await self._parts.clock.sleep(_BACK_OFF_SECONDS)
            return self._parts.clock.monotonic() < self._held_until
        if step.webhook is None or step.is_released:
            return False
        if step.due and step.webhook.url != self._url:
            # Those under way keep theirs: it is closed with the courier.
            self._line = await lines.enter_async_context(self._parts.sender.line(step.webhook.url))
            self._url = step.webhook.url
        for due, content in step.due:
            task = asyncio.create_task(self._send(step.webhook, due, content))
            self._sending[task] = due.delivery
        await self._wait()
        return True

    async def _wait(self) -> None:
        """Until something was sent or queued, or the lease is to be renewed."""
        news = asyncio.create_task(self._news.wait())
        heartbeat = self._parts.limits.lease_heartbeat.total_seconds()
        waited: set[asyncio.Task[Any]] = {news, *self._sending}
        try:
            await asyncio.wait(waited, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
        if any(task.done() for task in self._sending):
            # What ends together is stored together.
            await asyncio.wait(self._sending, timeout=_GATHER_SECONDS)
        for task in [task for task in self._sending if task.done()]:
            del self._sending[task]
            if (sent := task.result()) is not None:
                self._sent.append(sent)

    async def _send(self, webhook: Webhook, due: Due, content: str | None) -> _Sent | None:
        """Make an attempt; `None`: it was not made, for the webhook may be another process's by now."""
        delivery = due.delivery
        if self._parts.patience.outdated(delivery, self._parts.clock.now()):
            return _Sent(delivery, Attempt(error=DeliveryError.TOO_OLD))
        async with self._parts.requests:
            assert self._line is not None  # noqa: S101 - made before anything is sent
            now, body = self._parts.clock.now(), body_of(due, content)
            headers = signed_headers(delivery.message_id, now, body, self._parts.secrets.of(webhook, now))
            if self._parts.clock.monotonic() >= self._held_until:
                return None
            attempt = await self._line.post(body, headers)
        failpoint("webhooks.sent")
        return _Sent(delivery, attempt)

    async def _step(self) -> _Step:
        """Store what came of attempts, and fetch what is due."""
        began = self._parts.clock.monotonic()
        step = await self._parts.store.write_system(self._unit)
        if step.webhook is None:
            return step
        if self._sent:
            failpoint("webhooks.recorded")
        self._held_until = began + self._parts.limits.lease.total_seconds()
        count = self._parts.settled[self._webhook_id] + len(self._sent)
        self._parts.settled[self._webhook_id] = 0 if count >= _FORGET_AFTER else count
        self._sent.clear()
        if not step.webhook.is_enabled:
            _log.warning("webhook_disabled", webhook=step.webhook.id, reason=step.webhook.disabled_reason)
            return _Step()
        return step

    async def _unit(self, tx: SystemTransaction) -> _Step:
        queue, now = tx.webhook_queue, await tx.time()
        lease = Lease(self._parts.worker, now + self._parts.limits.lease)
        webhook = await queue.hold_webhook(self._webhook_id, lease, epoch=self._epoch)
        if webhook is None:
            return _Step()
        if self._sent:
            webhook = await self._record(tx, webhook, now)
        if not webhook.is_enabled:
            await queue.release_webhook(webhook.id, now)
            return _Step(webhook)
        due = await self._due(tx, webhook, now)
        is_idle = not due and not self._sending
        if self._parts.settled[webhook.id] + len(self._sent) >= _FORGET_AFTER:
            await queue.forget_deliveries(webhook.id, keep=self._parts.policy.history, limit=_FORGOTTEN)
        if is_idle:
            await queue.release_webhook(webhook.id, now)
        return _Step(webhook, tuple(due), is_released=is_idle)

    async def _record(self, tx: SystemTransaction, before: Webhook, now: datetime) -> Webhook:
        patience, webhook = self._parts.patience, before
        for sent in self._sent:
            await tx.webhook_queue.settle(self._settled_delivery(sent, now), now)
            if sent.attempt.error is not DeliveryError.TOO_OLD:
                webhook = patience.judged(webhook, sent.attempt, now)
        if patience.is_out(before) and not webhook.failures:
            self._is_catching_up = True
        if self._is_catching_up:
            self._is_catching_up = await tx.webhook_queue.hasten(webhook.id, now, limit=_HASTENED) > 0
        await tx.webhook_queue.judge(webhook)
        if not webhook.is_enabled:
            await tx.add_audit(self._record_of_end(webhook, now))
        return webhook

    def _settled_delivery(self, sent: _Sent, now: datetime) -> Delivery:
        if sent.attempt.error is DeliveryError.TOO_OLD:
            return replace(sent.delivery, state=DeliveryState.GIVEN_UP, error=DeliveryError.TOO_OLD, next_try=None)
        return self._parts.patience.settled(sent.delivery, sent.attempt, now)

    async def _due(self, tx: SystemTransaction, webhook: Webhook, now: datetime) -> list[tuple[Due, str | None]]:
        """What is to be sent beside what is under way."""
        window = 1 if self._parts.patience.is_out(webhook) else self._parts.policy.window
        room = window - len(self._sending)
        if room <= 0 or (webhook.quiet_until is not None and now < webhook.quiet_until):
            return []
        under_way = {delivery.id for delivery in self._sending.values()}
        found = await tx.webhook_queue.due(webhook.id, now, limit=room + len(under_way))
        fresh = [due for due in found if due.delivery.id not in under_way][:room]
        return [(due, await _content(tx, webhook, due.delivery)) for due in fresh]

    def _record_of_end(self, webhook: Webhook, now: datetime) -> AuditRecord:
        record_id = AuditId(str(self._parts.ids.uuid()))
        deed = Deed(Act.WEBHOOK_DISABLED, f"{webhook.id}/{webhook.disabled_reason}")
        return AuditRecord(record_id, webhook.tenant, SERVICE, webhook.created_by, deed, now)

    async def hand_back(self) -> None:
        """Let the lease end now, after `run` was broken off. Raises `StoreUnavailable`."""

        async def unit(tx: SystemTransaction) -> None:
            now = await tx.time()
            lease = Lease(self._parts.worker, now)
            if await tx.webhook_queue.hold_webhook(self._webhook_id, lease, epoch=self._epoch) is not None:
                await tx.webhook_queue.release_webhook(self._webhook_id, now)

        await self._parts.store.write_system(unit)

    async def _abandon(self) -> None:
        """Break off what is under way: it is made again by whoever serves the webhook next."""
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)


async def _content(tx: SystemTransaction, webhook: Webhook, delivery: Delivery) -> str | None:
    if not webhook.include_content or delivery.event is not WebhookEvent.RUN_COMPLETED:
        return None
    if delivery.conversation_id is None or delivery.run_id is None:
        return None
    return await tx.webhook_queue.answer(delivery.conversation_id, delivery.run_id)
