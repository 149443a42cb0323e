"""One set of databases for all cells of a process."""

from collections.abc import Iterator

import pytest

from tests.faults.databases import Databases
from tests.support.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts the servers."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Makes a database for each cell."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.remove()
