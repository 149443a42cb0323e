"""The store in a PostgreSQL database. Needs the extra `postgres`; imported only when a URL asks for it."""

from server.adapters.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
