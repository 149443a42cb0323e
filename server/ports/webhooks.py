"""Webhooks of a tenant and what is queued for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from server.domain.ids import ConversationId, DeliveryId, RunId, WebhookId, WorkerId
from server.domain.outbox import Span, Unpublished
from server.domain.run import Lease
from server.domain.webhook import Delivery, DeliveryState, Due, Webhook

if TYPE_CHECKING:
    from server.ports.store import ListPosition


class Webhooks(Protocol):
    """Webhooks of the owner's tenant. That the owner may see them is for the scope to say."""

    async def lock_all(self) -> int:
        """How many there are; nobody else adds one until this unit is over."""

    async def add(self, webhook: Webhook) -> None:
        """Store a new one, as the owner's."""

    async def get(self, webhook_id: WebhookId) -> Webhook | None:
        """The one of that id."""

    async def lock(self, webhook_id: WebhookId) -> Webhook | None:
        """As `get`, and nobody else changes it, or what is queued for it, until this unit is over."""

    async def page(self, *, limit: int, after: "ListPosition | None") -> list[Webhook]:
        """By `created_at` then id, both descending."""

    async def save(self, webhook: Webhook) -> None:
        """Overwrite whatever may change."""

    async def empty(self, webhook_id: WebhookId, *, limit: int) -> int:
        """Delete some of what is and was queued for it, in whatever order; returns how many."""

    async def remove(self, webhook_id: WebhookId) -> bool:
        """Delete it with all that is queued for it."""

    async def add_test(self, delivery: Delivery) -> None:
        """Queue a delivery that belongs to no conversation, for a webhook that this unit has locked."""

    async def delivery(self, webhook_id: WebhookId, delivery_id: DeliveryId) -> Delivery | None:
        """A delivery of a webhook."""

    async def deliveries(
        self, webhook_id: WebhookId, *, state: DeliveryState | None, limit: int, after: "ListPosition | None"
    ) -> list[Delivery]:
        """By `created_at` then id, both descending."""

    async def deliver_again(self, delivery: Delivery, now: datetime) -> Delivery:
        """Have a delivery made again, of a webhook that this unit has locked: see `DeliveryState`. One that is over
        stands beside the order of its conversation from now on; one that is not is tried now, unless it is behind."""


class WebhookQueue(Protocol):
    """What the service itself does about webhooks: queue what has happened, and send it."""

    async def untold(self, *, limit: int) -> list[Unpublished]:
        """Events that webhooks are to be told of and for which nothing is queued yet; of each conversation in order."""

    async def listening(self, tenant: str) -> list[Webhook]:
        """The enabled webhooks of a tenant, locked in the order of their ids."""

    async def count_waiting(self, webhook_id: WebhookId, *, limit: int) -> int:
        """How many deliveries wait, counted up to a limit."""

    async def queue(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Store new deliveries, of each conversation in order, for webhooks that this unit has locked: each is PENDING,
        or BEHIND where an ordered one of its conversation and webhook is not over."""

    async def rouse(self, webhook_id: WebhookId, now: datetime, *, dropped: int = 0) -> None:
        """Note that something is due for a webhook, and how many events were dropped."""

    async def mark_told(self, spans: Sequence[Span], *, teller: WorkerId, epoch: int) -> bool:
        """Mark events as queued, or as nobody's concern; `False`, and the unit must be undone, when the teller no
        longer holds that epoch of the lease."""

    async def due_webhooks(self, now: datetime, *, limit: int) -> list[WebhookId]:
        """Enabled webhooks for which something is due and which nobody serves, the one that waits longest first."""

    async def claim_webhook(self, webhook_id: WebhookId, lease: Lease, now: datetime) -> int | None:
        """Take such a webhook; returns the epoch of the lease, `None` when somebody else was faster."""

    async def hold_webhook(self, webhook_id: WebhookId, lease: Lease, *, epoch: int) -> Webhook | None:
        """Renew the lease and lock the webhook; `None`, when it is lost, or the webhook deleted or disabled."""

    async def release_webhook(self, webhook_id: WebhookId, now: datetime) -> None:
        """Let go of a webhook that this unit holds, until the next of its deliveries is due."""

    async def judge(self, webhook: Webhook) -> None:
        """Overwrite what attempts have shown of a webhook that this unit holds."""

    async def due(self, webhook_id: WebhookId, now: datetime, *, limit: int) -> list[Due]:
        """PENDING deliveries whose time has come, the one that waits longest first."""

    async def settle(self, delivery: Delivery, now: datetime) -> None:
        """Store what came of an attempt; when the delivery is over, the next of its conversation becomes PENDING. One
        that is gone stays so."""

    async def hasten(self, webhook_id: WebhookId, now: datetime, *, limit: int) -> int:
        """Have PENDING deliveries that wait for a later attempt tried now; returns how many."""

    async def forget_deliveries(self, webhook_id: WebhookId, *, keep: int, limit: int) -> int:
        """Delete deliveries that are over but for the newest; returns how many."""

    async def answer(self, conversation_id: ConversationId, run_id: RunId) -> str | None:
        """The text of the last thing that a run has said."""
