"""Who acted in a user's name stands at each event; the audit tells also of what was refused, why and how often."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def _text(name: str, *, default: str | None = None) -> "sa.Column[str]":
    """Text that sorts by code point."""
    string = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, string, nullable=default is None, server_default=default)


def upgrade() -> None:
    """What is there already was done, each deed once."""
    op.add_column("run_events", _text("actor"))
    op.add_column("audit", _text("reason", default=""))
    op.add_column("audit", sa.Column("times", sa.BigInteger(), nullable=False, server_default="1"))
