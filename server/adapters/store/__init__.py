"""The store: its tables, and one implementation of the transaction, over SQLite and over PostgreSQL.

async with open_store(url, feed=feed) as store: ...
"""

from server.adapters.store.factory import DatabaseUrlInvalid, open_store

__all__ = ["DatabaseUrlInvalid", "open_store"]
