"""The tables of what model requests carried: summaries, and the requests themselves."""

from sqlalchemy import Index, Integer
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow, of


class CompactionRow(OwnedRow, table=True):
    """A summary of the messages of a branch up to a position."""

    __tablename__ = "compactions"
    __table_args__ = (Index("uq_compactions_version", "conversation_id", "version", unique=True),)

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    version: int = Field(sa_type=Integer)
    branch: int = Field(sa_type=Integer)
    upto: int = Field(sa_type=WHOLE)
    summary: str = Field(sa_type=STRING)
    messages_summarized: int = Field(sa_type=WHOLE)
    tokens_before: int = Field(sa_type=WHOLE)
    tokens_after: int = Field(sa_type=WHOLE)
    model: str = Field(sa_type=STRING)
    provider: str = Field(sa_type=STRING)
    cause: str = Field(sa_type=STRING)
    run_id: str | None = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)


class ModelRequestRow(OwnedRow, table=True):
    """What a model request carried. `system_prompt` and `tools` are digests of texts of the conversation."""

    __tablename__ = "model_requests"
    __table_args__ = (
        Index("ix_model_requests_run", "run_id", "epoch", "round", "id"),
        Index("ix_model_requests_conversation", "conversation_id", "id"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    run_id: str = Field(sa_type=STRING)
    epoch: int = Field(sa_type=WHOLE)
    round: int = Field(sa_type=Integer)
    message_id: str = Field(sa_type=STRING)
    branch: int = Field(sa_type=Integer)
    included: str = Field(sa_type=STRING)
    left_out: str = Field(sa_type=STRING)
    system_prompt: str | None = Field(sa_type=STRING)
    compaction_id: str | None = Field(sa_type=STRING)
    compaction_failure: str | None = Field(sa_type=STRING)
    tools: str | None = Field(sa_type=STRING)
    provider: str = Field(sa_type=STRING)
    generation: str = Field(sa_type=STRING)
    estimated_tokens: int = Field(sa_type=WHOLE)
    plain_tokens: int = Field(sa_type=WHOLE)
    room: int | None = Field(sa_type=WHOLE)
    created_at: int = Field(sa_type=WHOLE)
    files: str | None = Field(sa_type=STRING)


class RequestTextRow(OwnedRow, table=True):
    """A text that model requests of a conversation have in common, by its SHA-256."""

    __tablename__ = "request_texts"

    conversation_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("conversations"),))
    digest: str = Field(primary_key=True, sa_type=STRING)
    text: str = Field(sa_type=STRING)
