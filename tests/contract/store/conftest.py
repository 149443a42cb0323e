"""The databases on which the contract is played, and a store on each."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from server.adapters.store import open_store
from server.domain.conversation import Conversation
from server.ports.feed import Feed
from server.ports.store import Store
from tests.contract.store.builders import conversation, stored
from tests.contract.store.postgres_server import PostgresServer
from tests.contract.store.recording_feed import RecordingFeed

OpenStore = Callable[[Feed], AbstractAsyncContextManager[Store]]


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
