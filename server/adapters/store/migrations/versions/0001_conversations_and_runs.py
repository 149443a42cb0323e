"""Conversations, runs and their events; users, organizations and keys; remembered requests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """Create the tables."""
    _create_identities()
    _create_conversations()
    _create_runs()


def _create_identities() -> None:
    op.create_table(
        "users",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", name="pk_users"),
    )
    op.create_table(
        "organizations",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column("name", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )
    op.create_table(
        "memberships",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column(
            "organization_id",
            _string(),
            sa.ForeignKey("organizations.id", ondelete="CASCADE", name="fk_memberships_organization_id"),
            nullable=False,
        ),
        sa.Column("role", _string(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "organization_id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_organization", "memberships", ["organization_id"])
    op.create_table(
        "api_keys",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column("digest", _string(), nullable=False),
        sa.Column("prefix", _string(), nullable=False),
        sa.Column("style", _string(), nullable=False),
        sa.Column("scopes", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("uq_api_keys_digest", "api_keys", ["digest"], unique=True)


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column("key", _string(), nullable=False),
        sa.Column("name", _string(), nullable=False),
        sa.Column("archived", sa.Integer(), nullable=False),
        sa.Column("organization_id", _string(), nullable=True),
        sa.Column("settings", _string(), nullable=False),
        sa.Column("generation", _string(), nullable=False),
        sa.Column("context_management", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column("last_ticket", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
    )
    op.create_index("ix_conversations_updated_at", "conversations", ["tenant", "owner", "updated_at", "id"])
    op.create_index("uq_conversations_key", "conversations", ["tenant", "owner", "key"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_sessions_conversation_id"),
            nullable=False,
        ),
        sa.Column("model_id", _string(), nullable=False),
        sa.Column("status", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_conversation", "sessions", ["conversation_id", "created_at", "id"])
    op.create_table(
        "messages",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_messages_conversation_id"),
            nullable=False,
        ),
        sa.Column("role", _string(), nullable=False),
        sa.Column("content", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("status", _string(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("ticket", sa.BigInteger(), nullable=True),
        sa.Column("run_id", _string(), nullable=True),
        sa.Column("session_id", _string(), nullable=True),
        sa.Column("model", _string(), nullable=True),
        sa.Column("provider", _string(), nullable=True),
        sa.Column("reasoning", _string(), nullable=True),
        sa.Column("tool_calls", _string(), nullable=True),
        sa.Column("tool_call_id", _string(), nullable=True),
        sa.Column("usage", _string(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    _partial_index("ix_messages_waiting", "messages", ["conversation_id", "ticket"], "status = 'QUEUED'")
    op.create_index("uq_messages_position", "messages", ["conversation_id", "position"], unique=True)


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("id", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_runs_conversation_id"),
            nullable=False,
        ),
        sa.Column("conversation_key", _string(), nullable=False),
        sa.Column("state", _string(), nullable=False),
        sa.Column("user_message_id", _string(), nullable=False),
        sa.Column("model", _string(), nullable=False),
        sa.Column("provider", _string(), nullable=False),
        sa.Column("generation", _string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("ticket", sa.BigInteger(), nullable=False),
        sa.Column("lease_worker", _string(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("session_id", _string(), nullable=True),
        sa.Column("actor", _string(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("error", _string(), nullable=True),
        sa.Column("usage", _string(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_conversation", "runs", ["conversation_id", "created_at", "id"])
    _partial_index("ix_runs_leases", "runs", ["lease_until"], "state = 'RUNNING'")
    _partial_index("ix_runs_queue", "runs", ["conversation_id", "ticket"], "state = 'QUEUED'")
    _partial_index("ix_runs_queued", "runs", ["created_at", "id"], "state = 'QUEUED'")
    _partial_index(
        "uq_runs_active",
        "runs",
        ["conversation_id"],
        "state IN ('AWAITING_APPROVAL', 'AWAITING_CLIENT_TOOLS', 'RUNNING')",
        unique=True,
    )
    op.create_table(
        "run_events",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column(
            "conversation_id",
            _string(),
            sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_run_events_conversation_id"),
            nullable=False,
        ),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("run_id", _string(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("kind", _string(), nullable=False),
        sa.Column("payload", _string(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "sequence", name="pk_run_events"),
    )
    _partial_index("ix_run_events_run", "run_events", ["run_id", "sequence"], "run_id IS NOT NULL")
    op.create_table(
        "requests",
        sa.Column("tenant", _string(), nullable=False),
        sa.Column("owner", _string(), nullable=False),
        sa.Column("request_id", _string(), nullable=False),
        sa.Column("fingerprint", _string(), nullable=False),
        sa.Column(
            "run_id", _string(), sa.ForeignKey("runs.id", ondelete="CASCADE", name="fk_requests_run_id"), nullable=False
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "owner", "request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])
    op.create_index("ix_requests_run", "requests", ["run_id"])
