"""One set of databases for all cells of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.store.postgres_server import PostgresMissing
from tests.faults.databases import Databases, PostgresDatabase
from tests.support.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts the servers."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
async def postgres(databases: Databases, tmp_path: Path) -> PostgresDatabase:
    """A database of the test's own on a real PostgreSQL server."""
    for needed in ("asyncpg", "greenlet"):
        pytest.importorskip(needed, reason=f"PostgreSQL needs {needed} (extra `postgres`)")
    try:
        return await databases.postgres(tmp_path)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Makes a database for each cell."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.remove()
