"""The schema of the file."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from server.adapters.store.migrations import FIND_REVISION, HEAD, upgrade
from server.adapters.store.sqlite.connection import connect, create_file, is_broken, unavailable


def migrate(path: Path, *, busy_timeout: timedelta) -> None:
    """Create the file if there is none and bring its schema up to date. Blocks.

    Raises `SchemaUnknown`, and `StoreUnavailable` when another process holds the file for longer than `busy_timeout`
    or the file cannot be used.
    """
    try:
        create_file(path)
        with closing(connect(path, busy_timeout=busy_timeout)) as connection:
            if _revision(connection) != HEAD:
                _upgrade(connection)
    except sqlite3.Error as error:
        if is_broken(error):
            raise unavailable(error) from error
        raise


def _revision(connection: sqlite3.Connection) -> str | None:
    exists = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = connection.execute(FIND_REVISION).fetchone() if exists else None
    return None if row is None else str(row[0])


def _upgrade(connection: sqlite3.Connection) -> None:
    from sqlalchemy import StaticPool, create_engine

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    try:
        with engine.connect() as migrating:
            # The writer's lock, before anything is read: whoever comes second waits here.
            migrating.exec_driver_sql("BEGIN IMMEDIATE")
            upgrade(migrating)
            migrating.commit()
    finally:
        engine.dispose()
