"""The tables of webhooks and of what is queued for them."""

from typing import Final

from sqlalchemy import Index, Integer
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow, of, partial

IS_ENABLED: Final = "enabled = 1"
IS_PENDING_DELIVERY: Final = "state = 'PENDING'"
IS_WAITING_DELIVERY: Final = "state IN ('BEHIND', 'PENDING')"
IS_BEHIND: Final = "state = 'BEHIND'"
IS_SETTLED: Final = "settled_at IS NOT NULL"


class WebhookRow(OwnedRow, table=True):
    """A webhook of a tenant's; `owner` is who made it. `next_due` is when something is due for it, the lease that of
    the process that sends."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index("ix_webhooks_created_at", "tenant", "created_at", "id"),
        partial("ix_webhooks_due", "next_due", "id", where=IS_ENABLED),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    url: str = Field(sa_type=STRING)
    events: str = Field(sa_type=STRING)
    description: str = Field(sa_type=STRING)
    include_content: int = Field(sa_type=Integer)
    created_at: int = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)
    enabled: int = Field(sa_type=Integer)
    disabled_reason: str | None = Field(sa_type=STRING)
    generation: int = Field(sa_type=WHOLE)
    previous_until: int | None = Field(sa_type=WHOLE)
    failures: int = Field(sa_type=WHOLE)
    failing_since: int | None = Field(sa_type=WHOLE)
    quiet_until: int | None = Field(sa_type=WHOLE)
    dropped: int = Field(sa_type=WHOLE)
    next_due: int = Field(sa_type=WHOLE)
    lease_worker: str | None = Field(sa_type=STRING)
    lease_epoch: int = Field(sa_type=WHOLE)
    lease_until: int = Field(sa_type=WHOLE)


class WebhookDeliveryRow(OwnedRow, table=True):
    """An event for a webhook: it waits, or what became of it. `facts` is JSON of what is told."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_created_at", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_conversation", "conversation_id", "webhook_id", "sequence"),
        Index("ix_webhook_deliveries_owner", "tenant", "owner"),
        partial("ix_webhook_deliveries_due", "webhook_id", "next_try", where=IS_PENDING_DELIVERY),
        partial("ix_webhook_deliveries_waiting", "webhook_id", where=IS_WAITING_DELIVERY),
        partial("ix_webhook_deliveries_settled", "webhook_id", "settled_at", "id", where=IS_SETTLED),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    webhook_id: str = Field(sa_type=STRING, sa_column_args=(of("webhooks"),))
    conversation_id: str | None = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    sequence: int = Field(sa_type=WHOLE)
    run_id: str | None = Field(sa_type=STRING)
    event: str = Field(sa_type=STRING)
    facts: str = Field(sa_type=STRING)
    occurred_at: int = Field(sa_type=WHOLE)
    created_at: int = Field(sa_type=WHOLE)
    state: str = Field(sa_type=STRING)
    ordered: int = Field(sa_type=Integer)
    attempts: int = Field(sa_type=Integer)
    attempted_at: int | None = Field(sa_type=WHOLE)
    next_try: int | None = Field(sa_type=WHOLE)
    status: int | None = Field(sa_type=Integer)
    error: str | None = Field(sa_type=STRING)
    settled_at: int | None = Field(sa_type=WHOLE)
