"""The tables of the search in messages: their words, and on each database the index of these.

What is indexed of a message is its words and its marks (who said it, in which conversation, by which model), each
behind the scope of its owner: words that different owners use are different words to the index, so that a search costs
what the owner wrote, whatever others did. The scope keeps costs apart, not rights: every query filters by owner, too.

Triggers keep the index beside the rows of `message_words`: a table of FTS5 that stores no text, a table of vectors
without positions. Where words stand is found out from `words`, which works on both alike and for texts of any length.
SQLite's index is written once for all units that are committed together, for it writes a part of its own in each
savepoint: a trigger notes what came, and `INDEX_PENDING` comes before every commit. No note outlives its transaction.
On PostgreSQL the vectors have a table of their own because that has no policies: behind one no GIN index is used, for
what it compares with might tell of other rows. They name no owner, and lead to nothing but rows that do have policies.
"""

from typing import Final

from sqlalchemy import DDL, Index, event
from sqlmodel import Field

from server.adapters.store.columns import METADATA, STRING, WHOLE, OwnedRow, of

_INDEXED: Final = "{0}scope || 'w' || replace(trim({0}words), ' ', ' ' || {0}scope || 'w') || {0}marks"
_STATE: Final = (
    "CREATE TABLE message_index_state (id INTEGER PRIMARY KEY CHECK (id = 1), indexed TEXT NOT NULL, "
    "last TEXT NOT NULL, removed BIGINT NOT NULL, removing BIGINT NOT NULL)"
)
_WAS_INDEXED: Final = "old.number NOT IN (SELECT number FROM message_index_pending)"
SEARCH_SQLITE: Final = (
    _STATE,
    "INSERT INTO message_index_state VALUES (1, '', '', 0, 0)",
    "CREATE VIRTUAL TABLE message_index USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')",
    "CREATE TABLE message_index_pending (number INTEGER PRIMARY KEY)",
    "CREATE TRIGGER message_words_added AFTER INSERT ON message_words BEGIN "
    "INSERT INTO message_index_pending VALUES (new.number); END",
    # What is still pending is in no index from which it could be removed.
    "CREATE TRIGGER message_words_removed AFTER DELETE ON message_words BEGIN "  # noqa: S608 - of constants
    "INSERT INTO message_index(message_index, rowid, words) "
    f"SELECT 'delete', old.number, {_INDEXED.format('old.')} WHERE {_WAS_INDEXED}; "
    f"UPDATE message_index_state SET removed = removed + 1 WHERE id = 1 AND {_WAS_INDEXED}; "
    "DELETE FROM message_index_pending WHERE number = old.number; END",
)
IS_PENDING: Final = "SELECT EXISTS (SELECT 1 FROM message_index_pending)"
"""Whether SQLite's index lacks words of this transaction."""
INDEX_PENDING: Final = (
    # One statement, and so one part of the index; what is pending is looked up, not looked for.
    "INSERT INTO message_index(rowid, words) "  # noqa: S608 - of constants
    f"SELECT found.number, {_INDEXED.format('found.')} FROM message_index_pending AS pending "
    "CROSS JOIN message_words AS found ON found.number = pending.number",
    "DELETE FROM message_index_pending",
)
"""Index them."""
SEARCH_POSTGRES: Final = (
    _STATE.replace("TEXT", 'TEXT COLLATE "C"'),
    "INSERT INTO message_index_state VALUES (1, '', '', 0, 0)",
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
)


class MessageWordsRow(OwnedRow, table=True):
    """The words of a message that has some, folded, each between two spaces. `number` grows with its time; on SQLite
    it is the row of the index."""

    __tablename__ = "message_words"
    __table_args__ = (Index("uq_message_words_message", "message_id", unique=True),)

    number: int = Field(primary_key=True, sa_type=WHOLE)
    message_id: str = Field(primary_key=True, sa_type=STRING, sa_column_args=(of("messages"),))
    scope: str = Field(sa_type=STRING)
    marks: str = Field(sa_type=STRING)
    words: str = Field(sa_type=STRING)


for _dialect, _statements in {"sqlite": SEARCH_SQLITE, "postgresql": SEARCH_POSTGRES}.items():
    for _statement in _statements:
        _made = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
        event.listen(METADATA.tables["message_words"], "after_create", _made)
