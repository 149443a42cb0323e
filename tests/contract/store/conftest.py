"""The databases on which the contract is played, and a store on each."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.store.sqlite.schema import migrate
from server.domain.conversation import Conversation
from server.domain.events import Event
from server.ports.feed import Feed
from server.ports.store import Store
from tests.contract.store.builders import conversation, stored
from tests.contract.store.postgres_server import PostgresMissing, PostgresServer

OpenStore = Callable[[Feed], AbstractAsyncContextManager[Store]]


class RecordingFeed(LocalFeed):
    """The feed of a process that also keeps what was published."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[Event] = []

    def publish(self, events: Sequence[Event]) -> None:
        self.published += events
        super().publish(events)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
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


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of the test's own, on each of the kinds that the service supports."""
    return str(request.getfixturevalue(f"{request.param}_url"))


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
