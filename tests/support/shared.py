"""What the tests of one process share: a PostgreSQL server, databases with the current schema, a nursery."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.store.tables import METADATA
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer, running_postgres
from tests.faults.databases import Databases, PostgresDatabase
from tests.support.migrated import migrated
from tests.support.nursery import Nursery, shared_nursery


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server. A test may stop it and start it again; the databases on it have names of their own."""
    for needed in ("asyncpg", "greenlet"):
        pytest.importorskip(needed, reason=f"the store on PostgreSQL needs {needed} (extra `postgres`)")
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgres())
        except PostgresMissing as missing:
            pytest.skip(str(missing))
        yield server


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """Name of a PostgreSQL database with the current schema."""
    from server.adapters.store.postgres.schema import migrate as migrate_postgres

    name = "parley"
    postgres_server.create(name)
    migration = migrate_postgres(postgres_server.dsn(name), patience=timedelta(seconds=30))
    # Not on the loop of the test that happens to be the first to ask.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migration).result()
    return name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """The URL of that database, with nothing in it."""
    postgres_server.empty(postgres_database, (table.name for table in METADATA.sorted_tables))
    return postgres_server.url(postgres_database)


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """A SQLite file of the test's own, with the current schema and nothing in it."""
    return migrated(tmp_path / "parley.db")


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    """The URL of that file."""
    return f"sqlite+aiosqlite:///{sqlite_path}"


@pytest.fixture(scope="session")
def nursery() -> Nursery:
    """Starts `parley serve` processes."""
    return shared_nursery()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Databases:
    """Makes databases with a key for such processes; those on PostgreSQL skip where there is none."""
    return Databases(tmp_path_factory.mktemp("databases"), lambda: request.getfixturevalue("postgres_server"))


@pytest.fixture
async def postgres(databases: Databases, tmp_path: Path) -> PostgresDatabase:
    """Such a database of the test's own on PostgreSQL."""
    return await databases.postgres(tmp_path)
