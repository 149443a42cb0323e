"""The tables of what was done, and how often keys were used."""

from typing import Final

from sqlalchemy import DDL, Index, event
from sqlmodel import Field

from server.adapters.store.columns import METADATA, STRING, WHOLE, OwnedRow, of

APPEND_ONLY_SQLITE: Final = tuple(
    f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
    for act in ("UPDATE", "DELETE")
)
APPEND_ONLY_POSTGRES: Final = (
    "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the audit is only ever added to'; END $$",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
)


class AuditRow(OwnedRow, table=True):
    """A deed; `owner` is its subject. The database refuses to change or delete one."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_tenant", "tenant", "created_at", "id"),
        Index("ix_audit_subject", "tenant", "owner", "created_at", "id"),
    )

    id: str = Field(primary_key=True, sa_type=STRING)
    actor: str = Field(sa_type=STRING)
    act: str = Field(sa_type=STRING)
    object: str = Field(sa_type=STRING)
    created_at: int = Field(sa_type=WHOLE)
    request_id: str = Field(sa_type=STRING)
    key_id: str | None = Field(sa_type=STRING)
    outcome: str = Field(sa_type=STRING)
    reason: str = Field(sa_type=STRING, sa_column_kwargs={"server_default": ""})
    times: int = Field(sa_type=WHOLE, sa_column_kwargs={"server_default": "1"})


class KeyUsageRow(OwnedRow, table=True):
    """Requests of a key on a day; `day` counts from 1970-01-01 (UTC)."""

    __tablename__ = "key_usage"

    key_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("api_keys"),))
    day: int = Field(primary_key=True, sa_type=WHOLE)
    requests: int = Field(sa_type=WHOLE)


for _dialect, _statements in {"sqlite": APPEND_ONLY_SQLITE, "postgresql": APPEND_ONLY_POSTGRES}.items():
    for _statement in _statements:
        _trigger = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
        event.listen(METADATA.tables["audit"], "after_create", _trigger)
