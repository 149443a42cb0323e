"""The tables of who uses the service, and of what: keys, users, organizations, their members and models."""

from sqlalchemy import Index, Integer
from sqlmodel import Field

from server.adapters.store.columns import EMPTY, STRING, WHOLE, OwnedRow, Row, of


class ApiKeyRow(OwnedRow, table=True):
    """An API key's digest and rights."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("uq_api_keys_digest", "digest", unique=True),
        Index("ix_api_keys_created_at", "tenant", "owner", "created_at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    digest: str = Field(sa_type=STRING)
    prefix: str = Field(sa_type=STRING)
    style: str = Field(sa_type=STRING)
    scopes: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    expires_at: int | None = Field(sa_type=WHOLE)
    revoked_at: int | None = Field(sa_type=WHOLE)
    environment: str = Field(sa_type=STRING, sa_column_kwargs={"server_default": "live"})
    name: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)
    description: str = Field(sa_type=STRING, sa_column_kwargs=EMPTY)
    requests_per_minute: int | None = Field(sa_type=WHOLE)
    last_used_at: int | None = Field(sa_type=WHOLE)
    budget: str | None = Field(sa_type=STRING)
    account: str | None = Field(sa_type=STRING)


class UserRow(Row, table=True):
    """A user of a tenant; `owner` is the name."""

    __tablename__ = "users"

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)


class OrganizationRow(OwnedRow, table=True):
    """An organization of a tenant; `owner` is the user with whom it came into being."""

    __tablename__ = "organizations"
    __table_args__ = (Index("uq_organizations_name", "tenant", "name", unique=True),)

    id: str = Field(primary_key=True, sa_type=STRING)
    name: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)


class MembershipRow(Row, table=True):
    """What a user is in an organization; `active` is 1 or 0."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_organization", "organization_id"),)

    tenant: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(primary_key=True, sa_type=STRING)
    organization_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("organizations"),))
    role: str = Field(sa_type=STRING)
    active: int = Field(sa_type=Integer)
    created_at: int = Field(sa_type=WHOLE)


class ModelRow(Row, table=True):
    """A model that an organization added to the configured ones; `owner` is who added it."""

    __tablename__ = "models"
    __table_args__ = (Index("ix_models_organization", "organization_id"),)

    tenant: str = Field(primary_key=True, sa_type=STRING)
    organization_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("organizations"),))
    id: str = Field(primary_key=True, sa_type=STRING)
    owner: str = Field(sa_type=STRING)
    provider: str = Field(sa_type=STRING)
    name: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
