"""The tables of a SQLite file whose rows can be read."""

import sqlite3


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Their names. Not that of the index of words, nor what SQLite keeps for it: it gives no rows, and has tests of its
    own."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'message_index%'"
    return [name for (name,) in connection.execute(sql)]
