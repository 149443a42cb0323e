"""Events wait in their own table to be published; one publisher holds the outbox; deletions are told, too."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0014"
down_revision = "0013"

_IS_UNPUBLISHED = sa.text("unpublished = 1")


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """What was stored before is nobody's news."""
    op.add_column("run_events", sa.Column("unpublished", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "ix_run_events_unpublished",
        "run_events",
        ["conversation_id", "sequence"],
        sqlite_where=_IS_UNPUBLISHED,
        postgresql_where=_IS_UNPUBLISHED,
    )
    op.create_table(
        "event_publisher",
        sa.Column("name", _string(), nullable=False),
        sa.Column("worker", _string(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("wanted_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_publisher"),
    )
    op.create_table(
        "event_removals",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("conversation_id", _string(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "conversation_id", name="pk_event_removals"),
    )
    protect("event_removals")
