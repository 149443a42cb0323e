"""Connections to the file, and what their errors mean."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

from server.adapters.store.sqlite.patterns import SearchingConnection
from server.domain.errors import StoreUnavailable

# Primary result codes that say something of the file or the machine, not of the statement: nothing that the
# transaction has done can be relied on.
_BROKEN: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
    }
)
_STATEMENTS_KEPT: Final = 256
_RETRY_SECONDS: Final = 0.01
_WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
# How many pages gather in the journal before they are moved to the file: four times SQLite's own choice, for the move
# syncs twice and every page moves once however often it was written.
_CHECKPOINT_PAGES: Final = 4000


def create_file(path: Path) -> None:
    """Make sure that the file exists and that only this user may read and write it (its journals inherit that)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def connect(path: Path, *, busy_timeout: timedelta, read_only: bool = False) -> SearchingConnection:
    """A connection that begins and ends its transactions only when told to. It waits up to `busy_timeout` for a lock
    that another process holds, and returns from COMMIT once the data is on the disk. May be used from any thread, by
    one at a time."""
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_KEPT,
        factory=SearchingConnection,
    )
    try:
        _keep_a_journal(connection, busy_timeout)
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.add_patterns()
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _keep_a_journal(connection: sqlite3.Connection, busy_timeout: timedelta) -> None:
    """Switch to WAL. SQLite does not wait for locks here as it does elsewhere: processes that open a new file at the
    same moment refuse one another, so whoever is refused asks again for as long as it may wait."""
    deadline = time.monotonic() + busy_timeout.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def empty_journal(path: Path, *, busy_timeout: timedelta) -> None:
    """Move the journal into the file and cut it to nothing, once no reader needs it. Blocks, and holds up writers
    meanwhile. Raises `StoreUnavailable` when readers go on needing it."""
    deadline = time.monotonic() + busy_timeout.total_seconds()
    try:
        with closing(connect(path, busy_timeout=busy_timeout)) as connection:
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() >= deadline:
                    raise StoreUnavailable
                time.sleep(_RETRY_SECONDS)
    except sqlite3.Error as error:
        raise unavailable(error) from error


def primary_code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; `None` when the driver itself raised."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the error is one of the file or the machine."""
    return primary_code(error) in _BROKEN


def unavailable(error: sqlite3.Error) -> StoreUnavailable:
    """What a caller is told when the file or the machine fails."""
    if primary_code(error) == sqlite3.SQLITE_FULL:
        return StoreUnavailable("the disk of the store is full; nothing was stored")
    if primary_code(error) == sqlite3.SQLITE_BUSY:
        return StoreUnavailable("another process holds the store; nothing was stored, send again in a moment")
    return StoreUnavailable()
