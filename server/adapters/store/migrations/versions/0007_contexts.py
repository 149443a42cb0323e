"""Summaries of conversations, and what model requests carried."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    return sa.Column(name, _string(), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _small(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), nullable=False)


def _conversation(table: str) -> "sa.Column[str]":
    key = sa.ForeignKey("conversations.id", ondelete="CASCADE", name=f"fk_{table}_conversation_id")
    return sa.Column("conversation_id", _string(), key, nullable=False)


def upgrade() -> None:
    """Nothing was summarised before, and of requests that were made nobody can tell any more."""
    op.create_table(
        "compactions",
        *(_text("tenant"), _text("owner"), _text("id"), _conversation("compactions")),
        *(_small("version"), _small("branch"), _whole("upto"), _text("summary"), _whole("messages_summarized")),
        *(_whole("tokens_before"), _whole("tokens_after"), _text("model"), _text("provider"), _text("cause")),
        *(_text("run_id", nullable=True), _whole("created_at")),
        sa.PrimaryKeyConstraint("id", name="pk_compactions"),
    )
    op.create_index("uq_compactions_version", "compactions", ["conversation_id", "version"], unique=True)
    op.create_table(
        "model_requests",
        *(_text("tenant"), _text("owner"), _text("id"), _conversation("model_requests"), _text("run_id")),
        *(_whole("epoch"), _small("round"), _text("message_id"), _small("branch")),
        *(_text("included"), _text("left_out"), _text("system_prompt", nullable=True)),
        *(_text("compaction_id", nullable=True), _text("compaction_failure", nullable=True)),
        *(_text("tools", nullable=True), _text("provider"), _text("generation")),
        *(_whole("estimated_tokens"), _whole("plain_tokens"), _whole("room", nullable=True), _whole("created_at")),
        sa.PrimaryKeyConstraint("id", name="pk_model_requests"),
    )
    op.create_index("ix_model_requests_run", "model_requests", ["run_id", "epoch", "round", "id"])
    op.create_index("ix_model_requests_conversation", "model_requests", ["conversation_id", "id"])
    op.create_table(
        "request_texts",
        *(_text("tenant"), _text("owner"), _conversation("request_texts"), _text("digest"), _text("text")),
        sa.PrimaryKeyConstraint("conversation_id", "digest", name="pk_request_texts"),
    )
