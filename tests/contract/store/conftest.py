"""The databases on which the contract is played, and a store on each."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.store import open_store
from server.adapters.store.sqlite.schema import migrate
from server.adapters.store.tables import METADATA
from server.domain.conversation import Conversation
from server.ports.feed import Feed
from server.ports.store import Store
from tests.contract.store.builders import conversation, stored
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer
from tests.contract.store.recording_feed import RecordingFeed

OpenStore = Callable[[Feed], AbstractAsyncContextManager[Store]]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    for needed in ("asyncpg", "greenlet"):
        pytest.importorskip(needed, reason=f"the store on PostgreSQL needs {needed} (extra `postgres`)")
    try:
        server = PostgresServer()
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    server.start()
    yield server
    server.stop("immediate")
    server.remove()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("store") / "migrated.db"
    migrate(path, busy_timeout=timedelta(seconds=5))
    return path


@pytest.fixture
def sqlite_path(migrated_file: Path, tmp_path: Path) -> Path:
    """A SQLite file of the test's own."""
    return Path(shutil.copy(migrated_file, tmp_path / "parley.db"))


@pytest.fixture
def sqlite_url(sqlite_path: Path) -> str:
    """The URL of that file."""
    return f"sqlite+aiosqlite:///{sqlite_path}"


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
    # Not deleted row by row, which the audit's would not let happen.
    emptied = f"TRUNCATE {', '.join(table.name for table in METADATA.sorted_tables)}"
    postgres_server.execute(emptied, database=postgres_database)
    return postgres_server.url(postgres_database)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, on each of the kinds that the service supports."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def unbound_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """The same database for one whom no policy binds."""
    if database_url.startswith("sqlite"):
        return database_url
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.superuser_dsn(request.getfixturevalue("postgres_database")).replace(
        "postgresql:", "postgresql+asyncpg:"
    )


@pytest.fixture
def feed() -> RecordingFeed:
    """Where the store's events go."""
    return RecordingFeed()


@pytest.fixture
async def store(database_url: str, feed: RecordingFeed) -> AsyncIterator[Store]:
    """The store under test."""
    async with open_store(database_url, feed=feed) as opened:
        yield opened


@pytest.fixture
async def talk(store: Store) -> Conversation:
    """A stored conversation of Alice's."""
    made = conversation("talk")
    await stored(store, made)
    return made
