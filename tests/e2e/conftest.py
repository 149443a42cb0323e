"""A service for tests that only talk to it, shared; tests that stop or kill one start their own."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contract.store.postgres_server import PostgresServer
from tests.e2e.service import Service, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("e2e") / "data", as_program=True) as service:
        yield service


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """An empty PostgreSQL database of the test's own, as an operator names it."""
    name = f"e2e_{uuid4().hex}"
    postgres_server.create(name)
    return postgres_server.dsn(name)
