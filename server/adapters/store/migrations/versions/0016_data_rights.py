"""Erasures of users and retention by tenant; the two things that the audit lets happen to its records."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect
from server.adapters.store.row_security import Reach

revision = "0016"
down_revision = "0015"

_RENAMED = (
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
_OUTLIVED = (
    "EXISTS (SELECT 1 FROM retention r WHERE r.tenant = OLD.tenant AND r.audit_days IS NOT NULL "
    "AND OLD.created_at < {} - r.audit_days * 86400000000)"
)
_NOW_SQLITE = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
_NOW_POSTGRES = "extract(epoch FROM now()) * 1000000"
_REFUSAL = "the audit is only ever added to"
_AUDIT = {
    "sqlite": [
        "DROP TRIGGER audit_no_update",
        "DROP TRIGGER audit_no_delete",
        f"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit WHEN NOT ({_RENAMED}) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
        f"WHEN NOT ({_OUTLIVED.format(_NOW_SQLITE)}) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    ],
    "postgresql": [
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'UPDATE' THEN IF {_RENAMED} THEN RETURN NEW; END IF; "
        f"ELSIF {_OUTLIVED.format(_NOW_POSTGRES)} THEN RETURN OLD; END IF; "
        f"RAISE EXCEPTION '{_REFUSAL}'; END $$",
    ],
}
_PARTIAL = {
    "ix_conversations_buried": ("conversations", ["tenant", "id"], "owner = ' buried'"),
    "ix_messages_actor": ("messages", ["tenant", "actor"], "actor IS NOT NULL"),
    "ix_run_events_actor": ("run_events", ["tenant", "actor"], "actor IS NOT NULL"),
    "ix_runs_actor": ("runs", ["tenant", "actor"], "actor IS NOT NULL"),
    "ix_approvals_decided_by": ("approvals", ["tenant", "decided_by"], "decided_by IS NOT NULL"),
    "ix_erasures_leases": ("erasures", ["lease_until", "id"], "state = 'UNDER_WAY'"),
}


def _text(name: str, *, nullable: bool = False) -> "sa.Column[str]":
    string = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, string, nullable=nullable)


def _whole(name: str, *, nullable: bool = False, default: str | None = None) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable, server_default=default)


def upgrade() -> None:
    """What a user did in others' names is found by the user's name."""
    op.create_table(
        "erasures",
        *(_text("tenant"), _text("owner"), _text("id"), _text("pseudonym"), _text("state"), _text("requested_by")),
        *(_whole("requested_at"), _whole("ended_at", nullable=True)),
        *(_whole("conversations", default="0"), _whole("rows", default="0")),
        *(_text("lease_worker", nullable=True), _whole("lease_until", default="0")),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_requested_at", "erasures", ["tenant", "requested_at", "id"])
    under_way = sa.text("state = 'UNDER_WAY'")
    op.create_index(
        "uq_erasures_under_way",
        "erasures",
        ["tenant", "owner"],
        unique=True,
        sqlite_where=under_way,
        postgresql_where=under_way,
    )
    op.create_table(
        "retention",
        *(_text("tenant"), _text("owner")),
        *(_whole("conversation_days", nullable=True), _whole("archived_days", nullable=True)),
        *(_whole("event_days", nullable=True), _whole("audit_days", nullable=True)),
        *(_whole("updated_at"), _whole("swept_at", default="0")),
        *(_text("lease_worker", nullable=True), _whole("lease_until", default="0")),
        sa.PrimaryKeyConstraint("tenant", name="pk_retention"),
    )
    op.create_index("ix_retention_swept_at", "retention", ["swept_at", "tenant"])
    protect("erasures", "retention", reach=Reach.TENANT)
    for name, (table, columns, condition) in _PARTIAL.items():
        where = sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_audit_actor", "audit", ["tenant", "actor", "id"])
    op.create_index("ix_audit_object", "audit", ["tenant", "object"])
    for statement in _AUDIT[op.get_bind().dialect.name]:
        op.execute(statement)
