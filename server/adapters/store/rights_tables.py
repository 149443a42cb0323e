"""The tables of data rights: erasures of users, and how long tenants keep what."""

from sqlalchemy import Index
from sqlmodel import Field

from server.adapters.store.columns import STRING, WHOLE, ZERO, OwnedRow, Row, partial
from server.adapters.store.predicates import IS_UNDER_WAY


class ErasureRow(OwnedRow, table=True):
    """An erasure of a user. `owner` is the user's name as long as it is under way, the pseudonym afterwards."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index("ix_erasures_requested_at", "tenant", "requested_at", "id"),
        partial("uq_erasures_under_way", "tenant", "owner", where=IS_UNDER_WAY, unique=True),
        partial("ix_erasures_leases", "lease_until", "id", where=IS_UNDER_WAY),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    pseudonym: str = Field(sa_type=STRING)
    state: str = Field(sa_type=STRING)
    requested_by: str = Field(sa_type=STRING)
    requested_at: int = Field(sa_type=WHOLE)
    ended_at: int | None = Field(sa_type=WHOLE)
    conversations: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)
    rows: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)
    lease_worker: str | None = Field(sa_type=STRING)
    lease_until: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)


class RetentionRow(Row, table=True):
    """How long a tenant keeps what, in days; null is for ever. `owner` is who said so last; the lease is of whoever
    sweeps the tenant, `swept_at` when that was last done to its end."""

    __tablename__ = "retention"
    __table_args__ = (Index("ix_retention_swept_at", "swept_at", "tenant"),)

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(sa_type=STRING)
    conversation_days: int | None = Field(sa_type=WHOLE)
    archived_days: int | None = Field(sa_type=WHOLE)
    event_days: int | None = Field(sa_type=WHOLE)
    audit_days: int | None = Field(sa_type=WHOLE)
    updated_at: int = Field(sa_type=WHOLE)
    swept_at: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)
    lease_worker: str | None = Field(sa_type=STRING)
    lease_until: int = Field(sa_type=WHOLE, sa_column_kwargs=ZERO)
