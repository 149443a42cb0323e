"""The store in one SQLite file."""

from server.adapters.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
