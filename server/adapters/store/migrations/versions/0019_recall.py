"""SQLite's index of messages is written once for all that is committed together (see `search_tables`); extractions of
memories outlive the process that began them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0019"
down_revision = "0018"

_INDEXED = "old.scope || 'w' || replace(trim(old.words), ' ', ' ' || old.scope || 'w') || old.marks"
_WAS_INDEXED = "old.number NOT IN (SELECT number FROM message_index_pending)"
_INDEX = (
    "DROP TRIGGER message_words_added",
    "DROP TRIGGER message_words_removed",
    "CREATE TABLE message_index_pending (number INTEGER PRIMARY KEY)",
    "CREATE TRIGGER message_words_added AFTER INSERT ON message_words BEGIN "
    "INSERT INTO message_index_pending VALUES (new.number); END",
    "CREATE TRIGGER message_words_removed AFTER DELETE ON message_words BEGIN "  # noqa: S608 - of constants
    "INSERT INTO message_index(message_index, rowid, words) "
    f"SELECT 'delete', old.number, {_INDEXED} WHERE {_WAS_INDEXED}; "
    f"UPDATE message_index_state SET removed = removed + 1 WHERE id = 1 AND {_WAS_INDEXED}; "
    "DELETE FROM message_index_pending WHERE number = old.number; END",
)


def _text(name: str, *constraints: sa.ForeignKey, nullable: bool = False) -> "sa.Column[str]":
    """Text that sorts by code point."""
    text: sa.types.TypeEngine[str] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    return sa.Column(name, text, *constraints, nullable=nullable)


def _whole(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """What is indexed stays."""
    conversation = sa.ForeignKey("conversations.id", ondelete="CASCADE", name="fk_extractions_conversation_id")
    op.create_table(
        "extractions",
        *(_text("tenant"), _text("owner"), _text("run_id"), _text("conversation_id", conversation)),
        *(_whole("due_at"), _whole("attempts"), _text("facts", nullable=True), _whole("done")),
        sa.PrimaryKeyConstraint("run_id", name="pk_extractions"),
    )
    op.create_index("ix_extractions_conversation", "extractions", ["conversation_id"])
    op.create_index("ix_extractions_due", "extractions", ["due_at", "run_id"])
    protect("extractions")
    if op.get_bind().dialect.name == "sqlite":
        for statement in _INDEX:
            op.execute(statement)
