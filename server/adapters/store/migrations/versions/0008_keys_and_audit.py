"""Keys with names, limits and counted uses; an audit that is only ever added to; who sent a message for another."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

_APPEND_ONLY = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit is only ever added to'); END"
        for act in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit is only ever added to'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_append_only()",
    ],
}


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, nullable: bool = False, default: str | None = None) -> "sa.Column[str]":
    return sa.Column(name, _string(), nullable=nullable, server_default=default)


def _whole(name: str, *, nullable: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """What a key is for stands in its prefix, as far as it shows one."""
    for text in (_text("environment", default="live"), _text("name", default=""), _text("description", default="")):
        op.add_column("api_keys", text)
    for number in (_whole("requests_per_minute", nullable=True), _whole("last_used_at", nullable=True)):
        op.add_column("api_keys", number)
    op.execute("UPDATE api_keys SET environment = 'test' WHERE substr(prefix, 4, 5) = 'test_'")
    op.create_index("ix_api_keys_created_at", "api_keys", ["tenant", "owner", "created_at", "id"])
    op.add_column("messages", _text("actor", nullable=True))
    op.create_table(
        "key_usage",
        *(_text("tenant"), _text("owner")),
        sa.Column(
            "key_id",
            _string(),
            sa.ForeignKey("api_keys.id", ondelete="CASCADE", name="fk_key_usage_key_id"),
            nullable=False,
        ),
        *(_whole("day"), _whole("requests")),
        sa.PrimaryKeyConstraint("key_id", "day", name="pk_key_usage"),
    )
    op.create_table(
        "audit",
        *(_text("tenant"), _text("owner"), _text("id"), _text("actor"), _text("act"), _text("object")),
        *(_whole("created_at"), _text("request_id"), _text("key_id", nullable=True), _text("outcome")),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant", "audit", ["tenant", "created_at", "id"])
    op.create_index("ix_audit_subject", "audit", ["tenant", "owner", "created_at", "id"])
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
