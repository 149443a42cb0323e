"""The tables of what is remembered of users."""

from sqlalchemy import Index, Integer
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, Bytes, OwnedRow, of


class MemoryRow(OwnedRow, table=True):
    """A memory. `revision` is that of its owner's book when it came or last changed."""

    __tablename__ = "memories"
    __table_args__ = (
        Index("ix_memories_created_at", "tenant", "owner", "created_at", "id"),
        Index("ix_memories_revision", "tenant", "owner", "revision"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    text: str = Field(sa_type=STRING)
    embedder: str = Field(sa_type=STRING)
    vector: bytes = Field(sa_type=Bytes)
    revision: int = Field(sa_type=WHOLE)
    run_id: str | None = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)


class MemoryBookRow(OwnedRow, table=True):
    """What an owner's memories have come to: one row that every change of theirs locks."""

    __tablename__ = "memory_books"

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    revision: int = Field(sa_type=WHOLE)
    memories: int = Field(sa_type=Integer)


class ExtractionRow(OwnedRow, table=True):
    """Memories that are still to be taken from a conversation, up to the end of a run. `facts` is JSON."""

    __tablename__ = "extractions"
    __table_args__ = (
        Index("ix_extractions_conversation", "conversation_id"),
        Index("ix_extractions_due", "due_at", "run_id"),
    )

    run_id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    due_at: int = Field(sa_type=WHOLE)
    attempts: int = Field(sa_type=WHOLE)
    facts: str | None = Field(sa_type=STRING)
    done: int = Field(sa_type=WHOLE)
