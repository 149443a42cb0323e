"""Webhooks and deliveries as rows, and back."""

from typing import Any, Final

from server.adapters.store import tables
from server.adapters.store.executor import Row
from server.adapters.store.times import micros, micros_or_none, moment, moment_or_none
from server.domain.ids import ConversationId, DeliveryId, RunId, WebhookId
from server.domain.principal import Owner
from server.domain.webhook import Delivery, DeliveryError, DeliveryState, DisabledReason, Webhook, WebhookEvent

NOTHING_DUE: Final = 2**62
"""`next_due` of a webhook for which nothing is."""

_w = tables.webhooks.c
_d = tables.webhook_deliveries.c
WEBHOOK_COLUMNS: Final = (
    *(_w.id, _w.tenant, _w.owner, _w.url, _w.created_at, _w.updated_at, _w.events, _w.description),
    *(_w.include_content, _w.disabled_reason, _w.generation, _w.previous_until, _w.failures, _w.failing_since),
    *(_w.quiet_until, _w.dropped),
)
DELIVERY_COLUMNS: Final = (
    *(_d.id, _d.webhook_id, _d.tenant, _d.owner, _d.event, _d.occurred_at, _d.created_at, _d.conversation_id),
    *(_d.sequence, _d.run_id, _d.facts, _d.state, _d.ordered, _d.attempts, _d.attempted_at, _d.next_try),
    *(_d.status, _d.error),
)


def webhook_of(row: Row) -> Webhook:
    """The webhook of a row of `WEBHOOK_COLUMNS`."""
    webhook_id, tenant, owner, url, created, updated, events, description, content, reason, *state = row
    generation, previous, failures, since, quiet, dropped = state
    return Webhook(
        id=WebhookId(webhook_id),
        tenant=tenant,
        created_by=owner,
        url=url,
        created_at=moment(created),
        updated_at=moment(updated),
        events=tuple(map(WebhookEvent, events.split())),
        description=description,
        include_content=bool(content),
        disabled_reason=DisabledReason(reason) if reason else None,
        generation=generation,
        previous_until=moment_or_none(previous),
        failures=failures,
        failing_since=moment_or_none(since),
        quiet_until=moment_or_none(quiet),
        dropped=dropped,
    )


def said_of(webhook: Webhook) -> dict[str, Any]:
    """What people say of a webhook, by columns."""
    return {
        "url": webhook.url,
        "events": " ".join(webhook.events),
        "description": webhook.description,
        "include_content": int(webhook.include_content),
        "updated_at": micros(webhook.updated_at),
        "generation": webhook.generation,
        "previous_until": micros_or_none(webhook.previous_until),
    }


def seen_of(webhook: Webhook) -> dict[str, Any]:
    """What attempts have shown of it, by columns."""
    return {
        "enabled": int(webhook.is_enabled),
        "disabled_reason": webhook.disabled_reason,
        "failures": webhook.failures,
        "failing_since": micros_or_none(webhook.failing_since),
        "quiet_until": micros_or_none(webhook.quiet_until),
    }


def delivery_of(row: Row) -> Delivery:
    """The delivery of a row of `DELIVERY_COLUMNS`."""
    delivery_id, webhook_id, tenant, owner, event, occurred, created, conversation_id, sequence, run_id, *rest = row
    facts, state, ordered, attempts, attempted, next_try, status, error = rest
    return Delivery(
        id=DeliveryId(delivery_id),
        webhook_id=WebhookId(webhook_id),
        owner=Owner(tenant, owner),
        event=WebhookEvent(event),
        occurred_at=moment(occurred),
        created_at=moment(created),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        sequence=sequence,
        run_id=RunId(run_id) if run_id else None,
        facts=facts,
        state=DeliveryState(state),
        is_ordered=bool(ordered),
        attempts=attempts,
        attempted_at=moment_or_none(attempted),
        next_try=moment_or_none(next_try),
        status=status,
        error=DeliveryError(error) if error else None,
    )


def values_of(delivery: Delivery) -> dict[str, Any]:
    """A new delivery by columns, but for whose it is."""
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "conversation_id": delivery.conversation_id,
        "sequence": delivery.sequence,
        "run_id": delivery.run_id,
        "event": delivery.event,
        "facts": delivery.facts,
        "occurred_at": micros(delivery.occurred_at),
        "created_at": micros(delivery.created_at),
        "state": delivery.state,
        "ordered": int(delivery.is_ordered),
        "attempts": delivery.attempts,
        "attempted_at": micros_or_none(delivery.attempted_at),
        "next_try": micros_or_none(delivery.next_try),
        "status": delivery.status,
        "error": delivery.error,
        "settled_at": None,
    }
