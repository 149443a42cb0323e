"""A cached answer belongs to the conversation in which it was given, and goes with it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table anew: of what it held nobody can tell where it was said, and the model can say it again."""
    op.drop_table("cached_answers")
    op.create_table(
        "cached_answers",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("key", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_cached_answers_conversation_id"),
            nullable=False,
        ),
        sa.Column("answer", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "key", name="pk_cached_answers"),
    )
    op.create_index("ix_cached_answers_conversation", "cached_answers", ["conversation_id"])
    op.create_index("ix_cached_answers_expires_at", "cached_answers", ["expires_at"])
