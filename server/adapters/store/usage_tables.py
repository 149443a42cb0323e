"""The tables of what model calls cost: the calls, the sums of the days, and what budgets are held against."""

from sqlalchemy import Index
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, OwnedRow, Row, of, partial

IS_OPEN = "settled = 0"


class UsageCallRow(OwnedRow, table=True):
    """A model call; an empty `key_id` or `account` stands for none. `settled` is 1 once its outcome is known."""

    __tablename__ = "usage_calls"
    __table_args__ = (
        Index("ix_usage_calls_run", "run_id", "started_at", "id"),
        Index("ix_usage_calls_conversation", "conversation_id", "started_at", "id"),
        partial("ix_usage_calls_open", "tenant", "account", where=IS_OPEN),
        partial("ix_usage_calls_begun", "started_at", "id", where=IS_OPEN),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    conversation_id: str = Field(sa_type=STRING, sa_column_args=(of("conversations"),))
    run_id: str | None = Field(sa_type=STRING)
    message_id: str | None = Field(sa_type=STRING)
    kind: str = Field(sa_type=STRING)
    key_id: str = Field(sa_type=STRING)
    account: str = Field(sa_type=STRING)
    provider: str = Field(sa_type=STRING)
    model: str = Field(sa_type=STRING)
    price: str | None = Field(sa_type=STRING)
    started_at: int = Field(sa_type=WHOLE)
    expires_at: int | None = Field(sa_type=WHOLE)
    estimated_input: int = Field(sa_type=WHOLE)
    most_output: int = Field(sa_type=WHOLE)
    reserved_cost: int = Field(sa_type=WHOLE)
    settled: int = Field(sa_type=WHOLE)
    input_tokens: int = Field(sa_type=WHOLE)
    output_tokens: int = Field(sa_type=WHOLE)
    cached_tokens: int | None = Field(sa_type=WHOLE)
    images: int = Field(sa_type=WHOLE)
    cost: int | None = Field(sa_type=WHOLE)
    is_estimated: int = Field(sa_type=WHOLE)


class UsageDayRow(Row, table=True):
    """What was used on a day; `day` counts from 1970-01-01 (UTC). Several shards, so that not everybody waits for the
    same row."""

    __tablename__ = "usage_days"
    __table_args__ = (Index("ix_usage_days_owner", "tenant", "owner", "day"),)

    tenant: str = Field(primary_key=True, sa_type=STRING)
    key_id: str = Field(primary_key=True, sa_type=STRING)
    day: int = Field(primary_key=True, sa_type=WHOLE)
    owner: str = Field(primary_key=True, sa_type=STRING)
    provider: str = Field(primary_key=True, sa_type=STRING)
    model: str = Field(primary_key=True, sa_type=STRING)
    shard: int = Field(primary_key=True, sa_type=WHOLE)
    calls: int = Field(sa_type=WHOLE)
    input_tokens: int = Field(sa_type=WHOLE)
    output_tokens: int = Field(sa_type=WHOLE)
    cached_tokens: int = Field(sa_type=WHOLE)
    images: int = Field(sa_type=WHOLE)
    cost: int = Field(sa_type=WHOLE)
    unpriced_calls: int = Field(sa_type=WHOLE)
    estimated_calls: int = Field(sa_type=WHOLE)


class SpendingRow(Row, table=True):
    """What was spent on an account on a day, in shards; an empty `account` is the whole tenant's. Its `owner`
    is empty: it holds nothing of a user's."""

    __tablename__ = "spending"

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(sa_type=STRING)
    account: str = Field(primary_key=True, sa_type=STRING)
    day: int = Field(primary_key=True, sa_type=WHOLE)
    shard: int = Field(primary_key=True, sa_type=WHOLE)
    tokens: int = Field(sa_type=WHOLE)
    cost: int = Field(sa_type=WHOLE)
