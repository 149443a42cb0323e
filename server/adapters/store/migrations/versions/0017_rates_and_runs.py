"""Processes tell each other what calls they let in; a run tells whose key, or which person, started it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0017"
down_revision = "0016"

_IS_RUNNING = sa.text("state = 'RUNNING'")


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Reports need not survive a crash of the database, and so are not logged where that can be said."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "rate_reports",
        *(sa.Column(name, _string(), nullable=False) for name in ("tenant", "owner")),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("sequence", "reported_at")),
        sa.Column("counts", _string(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "sequence", name="pk_rate_reports"),
        prefixes=["UNLOGGED"] if is_postgres else [],
    )
    op.create_index("ix_rate_reports_reported_at", "rate_reports", ["reported_at"])
    protect("rate_reports")
    op.add_column("runs", sa.Column("caller", _string(), nullable=False, server_default=""))
    op.create_index(
        "ix_runs_callers",
        "runs",
        ["tenant", "owner", "caller"],
        sqlite_where=_IS_RUNNING,
        postgresql_where=_IS_RUNNING,
    )
