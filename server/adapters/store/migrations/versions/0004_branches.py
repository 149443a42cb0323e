"""Branches of a conversation: messages may leave the active history and stay readable."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_IN_BRANCH = sa.text("branch IS NOT NULL")


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Every conversation goes on in its first branch, which has no row until there is a second."""
    op.add_column("conversations", sa.Column("branch", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("messages", sa.Column("branch", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("branch_position", sa.BigInteger(), nullable=True))
    op.create_index(
        "uq_messages_branch_position",
        "messages",
        ["conversation_id", "branch", "branch_position"],
        unique=True,
        sqlite_where=_IN_BRANCH,
        postgresql_where=_IN_BRANCH,
    )
    op.create_table(
        "branches",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_branches_conversation_id"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.Integer(), nullable=True),
        sa.Column("forked_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", _string(), nullable=False),
        sa.Column("source_message_id", _string(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="pk_branches"),
    )
