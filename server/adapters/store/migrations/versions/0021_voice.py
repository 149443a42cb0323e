"""Voice sessions, and how much of an answer was spoken in one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0021"
down_revision = "0020"


def _text(name: str, *constraints: sa.ForeignKey) -> "sa.Column[str]":
    """A text that sorts by code point."""
    text: sa.types.TypeEngine[str] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, text, *constraints, nullable=False)


def _whole(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """A message that was not spoken has neither of the two."""
    op.create_table(
        "voice_sessions",
        *(_text("tenant"), _text("owner"), _text("id")),
        _text(
            "conversation_id",
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_voice_sessions_conversation_id"),
        ),
        *(_text("room_name"), _text("room_url"), _whole("created_at"), _whole("expires_at"), _whole("lease_until")),
        sa.PrimaryKeyConstraint("id", name="pk_voice_sessions"),
    )
    op.create_index("uq_voice_sessions_conversation", "voice_sessions", ["conversation_id"], unique=True)
    op.create_index("ix_voice_sessions_owner", "voice_sessions", ["tenant", "owner", "lease_until"])
    protect("voice_sessions")
    op.add_column("messages", sa.Column("spoken", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("spoken_at", sa.BigInteger(), nullable=True))
