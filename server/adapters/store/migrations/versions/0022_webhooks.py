"""Webhooks of tenants, what is queued for them, and a mark on events that they are still to be told of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect
from server.adapters.store.row_security import Reach

revision = "0022"
down_revision = "0021"


def _text(name: str, *constraints: sa.ForeignKey, nullable: bool = False) -> "sa.Column[str]":
    """A text that sorts by code point."""
    text: sa.types.TypeEngine[str] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, text, *constraints, nullable=nullable)


def _of(table: str, name: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", name=name, ondelete="CASCADE")


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _small(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _partial(name: str, table: str, *columns: str, where: str) -> None:
    op.create_index(name, table, list(columns), sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """Of what was stored before nobody is told."""
    op.add_column("run_events", sa.Column("untold", sa.Integer(), nullable=False, server_default="0"))
    _partial("ix_run_events_untold", "run_events", "conversation_id", "sequence", where="untold = 1")
    op.create_table(
        "webhooks",
        *(_text("tenant"), _text("owner"), _text("id"), _text("url"), _text("events"), _text("description")),
        *(_small("include_content"), _whole("created_at"), _whole("updated_at")),
        *(_small("enabled"), _text("disabled_reason", nullable=True)),
        *(_whole("generation"), _whole("previous_until", nullable=True)),
        *(_whole("failures"), _whole("failing_since", nullable=True), _whole("quiet_until", nullable=True)),
        *(_whole("dropped"), _whole("next_due")),
        *(_text("lease_worker", nullable=True), _whole("lease_epoch"), _whole("lease_until")),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_created_at", "webhooks", ["tenant", "created_at", "id"])
    _partial("ix_webhooks_due", "webhooks", "next_due", "id", where="enabled = 1")
    op.create_table(
        "webhook_deliveries",
        *(_text("tenant"), _text("owner"), _text("id")),
        _text("webhook_id", _of("webhooks", "fk_webhook_deliveries_webhook_id")),
        _text("conversation_id", _of("conversations", "fk_webhook_deliveries_conversation_id"), nullable=True),
        *(_whole("sequence"), _text("run_id", nullable=True), _text("event"), _text("facts")),
        *(_whole("occurred_at"), _whole("created_at"), _text("state"), _small("ordered"), _small("attempts")),
        *(_whole("attempted_at", nullable=True), _whole("next_try", nullable=True)),
        *(_small("status", nullable=True), _text("error", nullable=True), _whole("settled_at", nullable=True)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
    )
    table = "webhook_deliveries"
    op.create_index("ix_webhook_deliveries_created_at", table, ["webhook_id", "created_at", "id"])
    op.create_index("ix_webhook_deliveries_conversation", table, ["conversation_id", "webhook_id", "sequence"])
    op.create_index("ix_webhook_deliveries_owner", table, ["tenant", "owner"])
    _partial("ix_webhook_deliveries_due", table, "webhook_id", "next_try", where="state = 'PENDING'")
    _partial("ix_webhook_deliveries_waiting", table, "webhook_id", where="state IN ('BEHIND', 'PENDING')")
    _partial("ix_webhook_deliveries_settled", table, "webhook_id", "settled_at", "id", where="settled_at IS NOT NULL")
    protect("webhooks", "webhook_deliveries", reach=Reach.TENANT)
