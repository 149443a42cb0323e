"""The tables of what was done, and how often keys were used."""

from typing import Final

from sqlalchemy import DDL, Index, event
from sqlmodel import Field

from server.adapters.store.columns import METADATA, STRING, WHOLE, OwnedRow, of

# What an erasure under way (`e`) may change of a record: its user's name, to its pseudonym, and nothing else.
_RENAMED: Final = (
    "NEW.id = OLD.id AND NEW.tenant = OLD.tenant AND NEW.act = OLD.act AND NEW.created_at = OLD.created_at "
    "AND NEW.request_id = OLD.request_id AND NEW.outcome = OLD.outcome "
    "AND NEW.reason = OLD.reason AND NEW.times = OLD.times "
    "AND COALESCE(NEW.key_id, '') = COALESCE(OLD.key_id, '') "
    "AND EXISTS (SELECT 1 FROM erasures e WHERE e.tenant = OLD.tenant AND e.state = 'UNDER_WAY' "
    "AND (NEW.owner = OLD.owner OR (OLD.owner = e.owner AND NEW.owner = e.pseudonym)) "
    "AND (NEW.actor = OLD.actor OR (OLD.actor = e.owner AND NEW.actor = e.pseudonym)) "
    "AND (NEW.object = OLD.object OR (OLD.object = e.owner AND NEW.object = e.pseudonym) "
    "OR NEW.object = replace(OLD.object, '/' || e.owner || '/', '/' || e.pseudonym || '/')))"
)
# What may go: records older than the tenant's retention (`r`) keeps them.
_OUTLIVED: Final = (
    "EXISTS (SELECT 1 FROM retention r WHERE r.tenant = OLD.tenant AND r.audit_days IS NOT NULL "
    "AND OLD.created_at < {} - r.audit_days * 86400000000)"
)
_NOW_SQLITE: Final = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
_NOW_POSTGRES: Final = "extract(epoch FROM now()) * 1000000"
_REFUSAL: Final = "the audit is only ever added to"
APPEND_ONLY_SQLITE: Final = tuple(
    f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit WHEN NOT ({permitted}) "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    for act, permitted in {
        "UPDATE": _RENAMED,
        "DELETE": _OUTLIVED.format(_NOW_SQLITE),
    }.items()
)
APPEND_ONLY_POSTGRES: Final = (
    "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN IF TG_OP = 'UPDATE' THEN IF {_RENAMED} THEN RETURN NEW; END IF; "
    f"ELSIF {_OUTLIVED.format(_NOW_POSTGRES)} THEN RETURN OLD; END IF; "
    f"RAISE EXCEPTION '{_REFUSAL}'; END $$",
    "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
)


class AuditRow(OwnedRow, table=True):
    """A deed; `owner` is its subject. The database refuses to change or delete one, but for two things: an erasure
    under way puts a pseudonym in the place of its user's name, and what a tenant's retention has outlived may go."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_tenant", "tenant", "created_at", "id"),
        Index("ix_audit_subject", "tenant", "owner", "created_at", "id"),
        Index("ix_audit_actor", "tenant", "actor", "id"),
        Index("ix_audit_object", "tenant", "object"),
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
        _trigger = DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
        event.listen(METADATA.tables["audit"], "after_create", _trigger)
