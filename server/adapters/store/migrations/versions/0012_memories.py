"""What is remembered of users."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0012"
down_revision = "0011"


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    """Text that sorts by code point."""
    return sa.Column(name, sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql"), nullable=nullable)


def _whole(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """Memories, and one row per owner by which their changes are numbered."""
    op.create_table(
        "memories",
        *(_text("tenant"), _text("owner"), _text("id"), _text("text"), _text("embedder")),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        *(_whole("revision"), _text("run_id", nullable=True), _whole("created_at"), _whole("updated_at")),
        sa.PrimaryKeyConstraint("id", name="pk_memories"),
    )
    op.create_index("ix_memories_created_at", "memories", ["tenant", "owner", "created_at", "id"])
    op.create_index("ix_memories_revision", "memories", ["tenant", "owner", "revision"])
    op.create_table(
        "memory_books",
        *(_text("tenant"), _text("owner"), _whole("revision")),
        sa.Column("memories", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", name="pk_memory_books"),
    )
    protect("memories", "memory_books")
