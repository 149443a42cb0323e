"""What model calls cost, by call, by day, and by what budgets are held against; budgets of keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect
from server.adapters.store.row_security import Reach

revision = "0013"
down_revision = "0012"

_IS_OPEN = sa.text("settled = 0")


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    """Text that sorts by code point."""
    return sa.Column(name, sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql"), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Nothing is known of earlier calls but what their messages say; sums begin now."""
    op.add_column("runs", _text("payer", nullable=True))
    op.add_column("api_keys", _text("budget", nullable=True))
    op.add_column("api_keys", _text("account", nullable=True))
    op.create_table(
        "usage_calls",
        *(_text("tenant"), _text("owner"), _text("id")),
        sa.Column(
            "conversation_id",
            sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql"),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_usage_calls_conversation_id"),
            nullable=False,
        ),
        *(_text("run_id", nullable=True), _text("message_id", nullable=True), _text("kind"), _text("key_id")),
        *(_text("account"), _text("provider"), _text("model"), _text("price", nullable=True)),
        *(_whole("started_at"), _whole("expires_at", nullable=True), _whole("estimated_input"), _whole("most_output")),
        *(_whole("reserved_cost"), _whole("settled"), _whole("input_tokens"), _whole("output_tokens")),
        *(_whole("cached_tokens", nullable=True), _whole("images"), _whole("cost", nullable=True)),
        _whole("is_estimated"),
        sa.PrimaryKeyConstraint("id", name="pk_usage_calls"),
    )
    op.create_index("ix_usage_calls_run", "usage_calls", ["run_id", "started_at", "id"])
    op.create_index("ix_usage_calls_conversation", "usage_calls", ["conversation_id", "started_at", "id"])
    op.create_index(
        "ix_usage_calls_open", "usage_calls", ["tenant", "account"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN
    )
    op.create_index(
        "ix_usage_calls_begun", "usage_calls", ["started_at", "id"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN
    )
    op.create_table(
        "usage_days",
        *(_text("tenant"), _text("key_id"), _whole("day"), _text("owner"), _text("provider"), _text("model")),
        *(_whole("shard"), _whole("calls"), _whole("input_tokens"), _whole("output_tokens"), _whole("cached_tokens")),
        *(_whole("images"), _whole("cost"), _whole("unpriced_calls"), _whole("estimated_calls")),
        sa.PrimaryKeyConstraint("tenant", "key_id", "day", "owner", "provider", "model", "shard", name="pk_usage_days"),
    )
    op.create_index("ix_usage_days_owner", "usage_days", ["tenant", "owner", "day"])
    op.create_table(
        "spending",
        *(_text("tenant"), _text("owner"), _text("account"), _whole("day"), _whole("shard"), _whole("tokens")),
        _whole("cost"),
        sa.PrimaryKeyConstraint("tenant", "account", "day", "shard", name="pk_spending"),
    )
    protect("usage_calls", "usage_days", reach=Reach.OWNER_READS_TENANT)
    protect("spending", reach=Reach.TENANT)
