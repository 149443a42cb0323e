"""Databases of cells: prepared once with a key, given to each cell as its own, and looked into from outside."""

import asyncio
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from server.adapters.feed.local import LocalFeed
from server.adapters.store.factory import open_store
from server.adapters.system import SystemClock, SystemIds
from server.application.keys import KeyFactory
from server.bootstrap.keys import operated_keys
from server.domain.principal import Owner
from tests.contract.store.postgres_server import PostgresServer
from tests.support.invariants import TABLES, Tables, check_tables, sqlite_tables

PEPPER: Final = "the pepper of every process here"


async def _new_key(url: str) -> str:
    async with open_store(url, feed=LocalFeed()) as store:
        keys = operated_keys(store, SystemClock(), SystemIds(), KeyFactory(PEPPER.encode()))
        return (await keys.create(Owner("default", "anna"), scopes=("*",)))[1]


class Database(ABC):
    """One cell's database."""

    def __init__(self, key: str) -> None:
        self.key = key
        """An API key that it knows."""

    @abstractmethod
    def settings(self, data: Path, *, shared: bool) -> Mapping[str, str]:
        """Variables of a process with that data directory; `shared`: others work on the database beside it."""

    @abstractmethod
    async def tables(self) -> Tables:
        """Every row that the invariants speak of, at one moment."""

    async def is_locked(self) -> bool:
        """Whether a process that stands still keeps everybody from writing."""
        return False

    async def check(self) -> None:
        """Assert the invariants."""
        check_tables(await self.tables())


class SqliteDatabase(Database):
    """A file: in the data directory of its one process, or beside those of several."""

    def __init__(self, key: str, path: Path) -> None:
        super().__init__(key)
        self._path = path
        self._used = path

    def settings(self, data: Path, *, shared: bool) -> Mapping[str, str]:
        """Puts the file into the directory when it is the process's alone."""
        if shared:
            return {"PARLEY_DATABASE": f"sqlite:///{self._path}"}
        self._used = data / "parley.db"
        if not self._used.exists():
            data.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._path, self._used)
        return {}

    async def is_locked(self) -> bool:
        """Whether the file's one lock is not free in a time in which whoever works gives it up."""
        return await asyncio.to_thread(_is_locked, self._used)

    async def tables(self) -> Tables:
        """Read from the file."""
        return await asyncio.to_thread(sqlite_tables, self._used)


def _is_locked(path: Path) -> bool:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=3)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
    return False


class PostgresDatabase(Database):
    """A database of a server that outlives it."""

    def __init__(self, key: str, server: PostgresServer, name: str) -> None:
        super().__init__(key)
        self._dsn = server.dsn(name)
        self._superuser_dsn = server.superuser_dsn(name)

    def settings(self, data: Path, *, shared: bool) -> Mapping[str, str]:
        """Its URL: others may always work on it."""
        del data, shared
        return {"PARLEY_DATABASE": self._dsn}

    async def tables(self) -> Tables:
        """Read over a connection of its own."""
        import asyncpg  # type: ignore[import-untyped]  # it has no stubs

        connection = await asyncpg.connect(self._superuser_dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                found: dict[str, Any] = {
                    name: [dict(row) for row in await connection.fetch(query)] for name, query in TABLES.items()
                }
        finally:
            await connection.close()
        return Tables(**found)


class Databases:
    """Makes databases for cells, each a copy of one that is prepared when it is first needed."""

    def __init__(self, folder: Path, server: Callable[[], PostgresServer]) -> None:
        """`server` gives the PostgreSQL server, and is called when a database on one is first asked for."""
        self._folder = folder
        self._server = server
        self._postgres: PostgresServer | None = None
        self._keys: dict[str, str] = {}
        self._made = 0

    async def sqlite(self, folder: Path) -> SqliteDatabase:
        """A new file."""
        template = self._folder / "template.db"
        if "sqlite" not in self._keys:
            self._keys["sqlite"] = await _new_key(f"sqlite+aiosqlite:///{template}")
        return SqliteDatabase(self._keys["sqlite"], Path(shutil.copy(template, folder / "shared.db")))

    async def postgres(self, folder: Path) -> PostgresDatabase:
        """A new database. Raises what asking for the server raises."""
        del folder
        if self._postgres is None:
            self._postgres = self._server()
            await asyncio.to_thread(self._postgres.create, "template_parley")
            self._keys["postgres"] = await _new_key(self._postgres.url("template_parley"))
        self._made += 1
        name = f"cell_{self._made}"
        await asyncio.to_thread(self._postgres.create, name, template="template_parley")
        return PostgresDatabase(self._keys["postgres"], self._postgres, name)

    @property
    def server(self) -> PostgresServer:
        """The PostgreSQL server, once a database on it was asked for."""
        assert self._postgres is not None
        return self._postgres
