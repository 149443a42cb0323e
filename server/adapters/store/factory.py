"""Opens the store that a database URL names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from server.adapters.store.errors import DriverMissing
from server.ports.feed import Feed
from server.ports.peers import Peers
from server.ports.store import Store

_BUSY_TIMEOUT: Final = timedelta(seconds=5)


class DatabaseUrlInvalid(ValueError):
    """The database URL names nothing that can be a store."""

    def __init__(self) -> None:
        super().__init__("database: expected sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/DATABASE")


@asynccontextmanager
async def open_store(
    url: str, *, feed: Feed, peers: Peers | None = None, patience: timedelta = _BUSY_TIMEOUT
) -> AsyncIterator[Store]:
    """The store of a URL, its schema brought up to date first; closed when the block is left.

    `feed` hears of every committed event, `peers` of what other processes do on a database that says so (PostgreSQL),
    both on the running loop. `patience` is how long a unit waits for a lock or a
    connection before it fails with `StoreUnavailable`. Raises `DatabaseUrlInvalid`, `DriverMissing`, `SchemaUnknown`,
    `StoreUnavailable`.
    """
    parsed = _parsed(url)
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database and parsed.database != ":memory:":
        opened = _open_sqlite(Path(parsed.database), feed, patience)
    elif parsed.drivername == "postgresql+asyncpg" and parsed.database:
        opened = _open_postgres(parsed.set(drivername="postgresql"), feed, peers, patience)
    else:
        raise DatabaseUrlInvalid
    async with opened as store:
        yield store


@asynccontextmanager
async def _open_sqlite(path: Path, feed: Feed, patience: timedelta) -> AsyncIterator[Store]:
    from server.adapters.store.sqlite import SqliteStore
    from server.adapters.store.sqlite.schema import migrate

    await asyncio.to_thread(migrate, path, busy_timeout=patience)
    async with SqliteStore(path, feed=feed, busy_timeout=patience) as store:
        yield store


@asynccontextmanager
async def _open_postgres(url: URL, feed: Feed, peers: Peers | None, patience: timedelta) -> AsyncIterator[Store]:
    if find_spec("asyncpg") is None:
        raise DriverMissing("postgres")
    from server.adapters.store.postgres import PostgresStore
    from server.adapters.store.postgres.schema import migrate, warn_of_mighty_role

    dsn = url.render_as_string(hide_password=False)
    await migrate(dsn, patience=patience)
    if peers is not None:  # a service, not a command that ends at once
        await warn_of_mighty_role(dsn, patience=patience)
    async with PostgresStore(dsn, feed=feed, peers=peers, patience=patience) as store:
        yield store


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise DatabaseUrlInvalid from None
