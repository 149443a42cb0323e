"""The ledger of tool calls, approvals, and what a run of several rounds keeps of itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_IS_OPEN = "state IN ('AWAITING_APPROVAL', 'AWAITING_CLIENT', 'READY', 'RUNNING')"
_IS_AWAITED = "state IN ('AWAITING_APPROVAL', 'AWAITING_CLIENT')"
_IS_PENDING = "state = 'PENDING'"


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    return sa.Column(name, _string(), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _small(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), nullable=False)


def _of(column: str, parent: str, table: str) -> "sa.Column[str]":
    key = sa.ForeignKey(f"{parent}.id", ondelete="CASCADE", name=f"fk_{table}_{column}")
    return sa.Column(column, _string(), key, nullable=False)


def _partial(name: str, table: str, *columns: str, where: str, unique: bool = False) -> None:
    op.create_index(
        name, table, list(columns), unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def upgrade() -> None:
    """What was before used no tools: every run has no rounds, and every epoch of one was an attempt."""
    op.add_column("runs", sa.Column("rounds", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("settled_epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("messages", _text("provider_parts", nullable=True))
    _create_tool_calls()
    _create_approvals()
    _bind_requests()


def _create_tool_calls() -> None:
    op.create_table(
        "tool_calls",
        _text("tenant"),
        _text("owner"),
        _text("id"),
        _of("conversation_id", "conversations", "tool_calls"),
        *(_text("run_id"), _text("message_id"), _small("ordinal"), _whole("epoch")),
        *(_text("name"), _text("arguments"), _text("state"), _whole("requested_at")),
        *(_text("server", nullable=True), _text("tool"), _text("definition_digest"), _small("repeatable")),
        *(_whole("expires_at", nullable=True), _small("warned")),
        *(_small("intents"), _whole("intent_epoch", nullable=True), _whole("intent_at", nullable=True)),
        _whole("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tool_calls"),
    )
    as_asked = ("requested_at", "message_id", "ordinal")
    op.create_index("ix_tool_calls_conversation", "tool_calls", ["conversation_id"])
    _partial("ix_tool_calls_open", "tool_calls", "run_id", *as_asked, where=_IS_OPEN)
    _partial("ix_tool_calls_pending", "tool_calls", "conversation_id", *as_asked, where=_IS_OPEN)
    _partial("ix_tool_calls_expires_at", "tool_calls", "expires_at", "id", where=_IS_AWAITED)
    _partial("ix_tool_calls_not_warned_of", "tool_calls", "expires_at", "id", where=f"{_IS_AWAITED} AND warned = 0")


def _create_approvals() -> None:
    op.create_table(
        "approvals",
        _text("tenant"),
        _text("owner"),
        _text("id"),
        _of("tool_call_id", "tool_calls", "approvals"),
        _small("number"),
        _of("conversation_id", "conversations", "approvals"),
        *(_text("run_id"), _whole("epoch"), _text("definition_digest"), _text("arguments_digest")),
        *(_whole("requested_at"), _whole("expires_at"), _text("state")),
        *(_text("reason", nullable=True), _text("decided_by", nullable=True), _whole("decided_at", nullable=True)),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_conversation", "approvals", ["conversation_id"])
    op.create_index("uq_approvals_number", "approvals", ["tool_call_id", "number"], unique=True)
    _partial("uq_approvals_pending", "approvals", "tool_call_id", where=_IS_PENDING, unique=True)
    _partial("ix_approvals_pending", "approvals", "conversation_id", "requested_at", "id", where=_IS_PENDING)


def _bind_requests() -> None:
    """Results that are remembered go with the conversation that they speak of. Of those of before nobody can tell; they
    are forgotten in a day."""
    with op.batch_alter_table("requests") as requests:
        requests.add_column(_text("conversation_id", nullable=True))
        requests.create_foreign_key(
            "fk_requests_conversation_id", "conversations", ["conversation_id"], ["id"], ondelete="CASCADE"
        )
    _partial("ix_requests_conversation", "requests", "conversation_id", where="conversation_id IS NOT NULL")
