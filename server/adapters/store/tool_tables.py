"""The tables of tool calls and of requests to approve them."""

from sqlalchemy import Index, Integer
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow, of, partial
from server.adapters.store.predicates import IS_AWAITED, IS_DECIDED, IS_NOT_WARNED_OF, IS_OPEN, IS_PENDING


class ToolCallRow(OwnedRow, table=True):
    """An entry of the ledger of tool calls. `repeatable` and `warned` are 1 or 0; `intents` counts how often an attempt
    committed to calling the tool."""

    __tablename__ = "tool_calls"
    __table_args__ = (
        Index("ix_tool_calls_conversation", "conversation_id"),
        partial("ix_tool_calls_open", "run_id", "requested_at", "message_id", "ordinal", where=IS_OPEN),
        partial("ix_tool_calls_pending", "conversation_id", "requested_at", "message_id", "ordinal", where=IS_OPEN),
        partial("ix_tool_calls_expires_at", "expires_at", "id", where=IS_AWAITED),
        partial("ix_tool_calls_not_warned_of", "expires_at", "id", where=IS_NOT_WARNED_OF),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    run_id: str = Field(sa_type=STRING)
    message_id: str = Field(sa_type=STRING)
    ordinal: int = Field(sa_type=Integer)
    epoch: int = Field(sa_type=WHOLE)
    name: str = Field(sa_type=STRING)
    arguments: str = Field(sa_type=STRING)
    state: str = Field(sa_type=STRING)
    requested_at: int = Field(sa_type=WHOLE)
    server: str | None = Field(sa_type=STRING)
    tool: str = Field(sa_type=STRING)
    definition_digest: str = Field(sa_type=STRING)
    repeatable: int = Field(sa_type=Integer)
    expires_at: int | None = Field(sa_type=WHOLE)
    warned: int = Field(sa_type=Integer)
    intents: int = Field(sa_type=Integer)
    intent_epoch: int | None = Field(sa_type=WHOLE)
    intent_at: int | None = Field(sa_type=WHOLE)
    ended_at: int | None = Field(sa_type=WHOLE)


class ApprovalRow(OwnedRow, table=True):
    """A request for approval of a tool call; `number` counts those of one call from 1."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("ix_approvals_conversation", "conversation_id"),
        Index("uq_approvals_number", "tool_call_id", "number", unique=True),
        partial("uq_approvals_pending", "tool_call_id", where=IS_PENDING, unique=True),
        partial("ix_approvals_decided_by", "tenant", "decided_by", where=IS_DECIDED),
        partial("ix_approvals_pending", "conversation_id", "requested_at", "id", where=IS_PENDING),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    tool_call_id: str = Field(sa_type=STRING, sa_column_args=(of("tool_calls"),))
    number: int = Field(sa_type=Integer)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    run_id: str = Field(sa_type=STRING)
    epoch: int = Field(sa_type=WHOLE)
    definition_digest: str = Field(sa_type=STRING)
    arguments_digest: str = Field(sa_type=STRING)
    requested_at: int = Field(sa_type=WHOLE)
    expires_at: int = Field(sa_type=WHOLE)
    state: str = Field(sa_type=STRING)
    reason: str | None = Field(sa_type=STRING)
    decided_by: str | None = Field(sa_type=STRING)
    decided_at: int | None = Field(sa_type=WHOLE)
