"""A search in messages. Those that are stored already are indexed while the service runs; see `message_indexing`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.adapters.store.migrations.protection import protect

revision = "0015"
down_revision = "0014"

_INDEXED = "{0}scope || 'w' || replace(trim({0}words), ' ', ' ' || {0}scope || 'w') || {0}marks"
_STATE = (
    "CREATE TABLE message_index_state (id INTEGER PRIMARY KEY CHECK (id = 1), indexed TEXT NOT NULL, "
    "last TEXT NOT NULL, removed BIGINT NOT NULL, removing BIGINT NOT NULL)"
)
_INDEX = {
    "sqlite": [
        _STATE,
        "CREATE VIRTUAL TABLE message_index USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')",
        "CREATE TRIGGER message_words_added AFTER INSERT ON message_words BEGIN "  # noqa: S608 - of constants
        f"INSERT INTO message_index(rowid, words) VALUES (new.number, {_INDEXED.format('new.')}); END",
        "CREATE TRIGGER message_words_removed AFTER DELETE ON message_words BEGIN "  # noqa: S608 - of constants
        "INSERT INTO message_index(message_index, rowid, words) "
        f"VALUES ('delete', old.number, {_INDEXED.format('old.')}); "
        "UPDATE message_index_state SET removed = removed + 1 WHERE id = 1; END",
    ],
    "postgresql": [
        _STATE.replace("TEXT", 'TEXT COLLATE "C"'),
        'CREATE TABLE message_index (message_id TEXT COLLATE "C" PRIMARY KEY, vector TSVECTOR NOT NULL)',
        "CREATE INDEX ix_message_index_vector ON message_index USING gin (vector) WITH (fastupdate = off)",
        "CREATE FUNCTION message_words_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 - of constants
        "IF TG_OP = 'INSERT' THEN INSERT INTO message_index VALUES "
        f"(new.message_id, array_to_tsvector(string_to_array({_INDEXED.format('new.')}, ' '))); "
        "ELSIF TG_OP = 'DELETE' THEN DELETE FROM message_index WHERE message_id = old.message_id; "
        "ELSE TRUNCATE message_index; END IF; RETURN NULL; END $$",
        "CREATE TRIGGER message_words_changed AFTER INSERT OR DELETE ON message_words "
        "FOR EACH ROW EXECUTE FUNCTION message_words_changed()",
        "CREATE TRIGGER message_words_emptied AFTER TRUNCATE ON message_words "
        "FOR EACH STATEMENT EXECUTE FUNCTION message_words_changed()",
    ],
}


def _string() -> sa.types.TypeEngine[str]:
    """Text that sorts by code point."""
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, _string(), nullable=False)


def upgrade() -> None:
    """Nothing is indexed yet, up to the last message that there is."""
    op.create_table(
        "message_words",
        *(_text("tenant"), _text("owner")),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "message_id",
            _string(),
            sa.ForeignKey("messages.id", ondelete="CASCADE", name="fk_message_words_message_id"),
            nullable=False,
        ),
        *(_text("scope"), _text("marks"), _text("words")),
        sa.PrimaryKeyConstraint("number", "message_id", name="pk_message_words"),
    )
    op.create_index("uq_message_words_message", "message_words", ["message_id"], unique=True)
    for statement in _INDEX[op.get_bind().dialect.name]:
        op.execute(statement)
    protect("message_words")
    op.execute("INSERT INTO message_index_state SELECT 1, '', coalesce(max(id), ''), 0, 0 FROM messages")
