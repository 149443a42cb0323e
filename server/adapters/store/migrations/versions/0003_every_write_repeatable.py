"""Request ids stand for every write, not only for those that made a run."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """A request need not have a run, and may have a result."""
    text = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    # SQLite cannot lift a constraint: there the table is copied, which nothing refers to.
    with op.batch_alter_table("requests") as table:
        table.alter_column("run_id", existing_type=text, nullable=True)
        table.add_column(sa.Column("result", text, nullable=True))
