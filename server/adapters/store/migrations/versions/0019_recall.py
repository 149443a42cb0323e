"""SQLite's index of messages is written once for all that is committed together; see `search_tables`."""

from alembic import op

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


def upgrade() -> None:
    """What is indexed stays."""
    if op.get_bind().dialect.name == "sqlite":
        for statement in _INDEX:
            op.execute(statement)
