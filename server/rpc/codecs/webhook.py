"""Webhooks of `parley.v1`."""

from collections.abc import Iterable, Mapping
from typing import Final

from parley.v1 import webhook_pb2 as pb

from server.application.webhooks import WebhookWish
from server.domain.webhook import Delivery, DeliveryError, DeliveryState, DisabledReason, Webhook, WebhookEvent
from server.rpc.codecs.timestamp import optional_timestamp, timestamp

_EVENTS: Final = {
    event: pb.WebhookEvent.Value(f"WEBHOOK_EVENT_{'TEST' if event is WebhookEvent.TEST else event.name}")
    for event in WebhookEvent
}
_EVENT_OF: Final = {number: event for event, number in _EVENTS.items()}
_STATES: Final = {state: pb.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{state}") for state in DeliveryState}
_STATE_OF: Final = {number: state for state, number in _STATES.items()}
_ERRORS: Final[Mapping[DeliveryError | None, pb.WebhookDeliveryError.ValueType]] = {
    error: pb.WebhookDeliveryError.Value(f"WEBHOOK_DELIVERY_ERROR_{error}") for error in DeliveryError
}
_REASONS: Final[Mapping[DisabledReason | None, pb.WebhookDisabledReason.ValueType]] = {
    reason: pb.WebhookDisabledReason.Value(f"WEBHOOK_DISABLED_REASON_{reason}") for reason in DisabledReason
}


def decode_new_webhook(request: pb.CreateWebhookRequest) -> WebhookWish:
    """What a webhook is to be."""
    return WebhookWish(
        url=request.url,
        events=_decode_events(request.events),
        description=request.description,
        is_enabled=not request.disabled,
        include_content=request.include_content,
    )


def decode_webhook_changes(request: pb.UpdateWebhookRequest) -> WebhookWish:
    """What is to change of one."""
    return WebhookWish(
        url=request.url if request.HasField("url") else None,
        events=_decode_events(request.subscription.events) if request.HasField("subscription") else None,
        description=request.description if request.HasField("description") else None,
        is_enabled=request.enabled if request.HasField("enabled") else None,
        include_content=request.include_content if request.HasField("include_content") else None,
    )


def decode_delivery_state(state: pb.WebhookDeliveryState.ValueType) -> DeliveryState | None:
    """Where deliveries are to stand; `None`: anywhere."""
    return _STATE_OF.get(state)


def encode_webhook(webhook: Webhook) -> pb.Webhook:
    """A webhook."""
    return pb.Webhook(
        id=webhook.id,
        url=webhook.url,
        events=[_EVENTS[event] for event in webhook.events],
        description=webhook.description,
        enabled=webhook.is_enabled,
        disabled_reason=_REASONS.get(webhook.disabled_reason, pb.WEBHOOK_DISABLED_REASON_UNSPECIFIED),
        include_content=webhook.include_content,
        created_by=webhook.created_by,
        created_at=timestamp(webhook.created_at),
        updated_at=timestamp(webhook.updated_at),
        previous_secret_until=optional_timestamp(webhook.previous_until),
        failing_since=optional_timestamp(webhook.failing_since),
        dropped_events=webhook.dropped,
    )


def encode_delivery(delivery: Delivery) -> pb.WebhookDelivery:
    """A delivery."""
    is_pending = delivery.state is DeliveryState.PENDING
    return pb.WebhookDelivery(
        id=delivery.id,
        message_id=delivery.message_id,
        webhook_id=delivery.webhook_id,
        event=_EVENTS[delivery.event],
        occurred_at=timestamp(delivery.occurred_at),
        conversation_id=delivery.conversation_id,
        sequence=delivery.sequence,
        run_id=delivery.run_id,
        state=_STATES[delivery.state],
        attempts=delivery.attempts,
        attempted_at=optional_timestamp(delivery.attempted_at),
        http_status=delivery.status,
        error=_ERRORS.get(delivery.error, pb.WEBHOOK_DELIVERY_ERROR_UNSPECIFIED),
        next_attempt_at=optional_timestamp(delivery.next_try if is_pending else None),
    )


def _decode_events(events: Iterable[pb.WebhookEvent.ValueType]) -> tuple[WebhookEvent, ...]:
    return tuple(_EVENT_OF[event] for event in events)
