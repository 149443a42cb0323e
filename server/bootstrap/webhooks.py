"""Webhooks: their events are queued, and what is queued is sent."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from server.application.webhook_signing import WebhookSecrets
from server.domain.ids import WorkerId
from server.domain.limits import Limits
from server.domain.webhook import WebhookPolicy
from server.domain.webhook_retry import Patience
from server.engine.webhooks.courier import CourierParts
from server.engine.webhooks.dispatch import WebhookDispatch
from server.engine.webhooks.intake import WebhookIntake
from server.ports.store import Store
from server.ports.system import Clock, Ids
from server.ports.webhook_sender import WebhookLine, WebhookSender


class LateSender:
    """Makes the sender when something is first sent: what it needs takes half a second to load, which only those pay
    who have webhooks."""

    def __init__(self, policy: WebhookPolicy) -> None:
        self._policy = policy
        self._sender: WebhookSender | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def line(self, url: str) -> AsyncGenerator[WebhookLine, None]:
        """See `WebhookSender`."""
        async with self._making:
            if self._sender is None:
                # Not on the loop, which others wait for.
                self._sender = await asyncio.to_thread(self._made)
        async with self._sender.line(url) as line:
            yield line

    def _made(self) -> WebhookSender:
        from server.adapters.webhooks.sender import HttpWebhookSender

        return HttpWebhookSender(self._policy)


@asynccontextmanager
async def opened_webhooks(
    policy: WebhookPolicy,
    *,
    store: Store,
    clock: Clock,
    ids: Ids,
    limits: Limits,
    secrets: WebhookSecrets,
    wake: asyncio.Event,
    sender: WebhookSender | None = None,
) -> AsyncIterator[Callable[[], None]]:
    """Serve webhooks for the length of the block; yields what is to be called when something was queued by somebody
    else. `wake` is set whenever there may be events."""
    worker = WorkerId(str(ids.uuid()))
    parts = CourierParts(
        store=store,
        clock=clock,
        ids=ids,
        limits=limits,
        policy=policy,
        sender=sender or LateSender(policy),
        secrets=secrets,
        patience=Patience(policy, random.random),
        worker=worker,
        requests=asyncio.Semaphore(policy.requests),
    )
    async with (
        WebhookDispatch(parts) as dispatch,
        WebhookIntake(
            store=store,
            clock=clock,
            ids=ids,
            limits=limits,
            policy=policy,
            worker=worker,
            wake=wake,
            queued=dispatch.queued,
        ),
    ):
        yield dispatch.queued
