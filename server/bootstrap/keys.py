"""The keys alone, for the operator's commands: a store, and no engine, provider or transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.adapters.feed.local import LocalFeed
from server.adapters.system import SystemClock, SystemIds
from server.application.keys import KeyFactory, Keys
from server.bootstrap.store import database_url, opened_store
from server.config import Settings


@asynccontextmanager
async def open_keys(settings: Settings, *, database: Path, pepper: bytes) -> AsyncIterator[Keys]:
    """Open the store for its keys. `database` and `pepper` are as for `open_service`. Raises `CommandFailed`."""
    async with opened_store(database_url(settings, database), feed=LocalFeed()) as store:
        yield Keys(store=store, clock=SystemClock(), ids=SystemIds(), factory=key_factory(settings, pepper))


def key_factory(settings: Settings, pepper: bytes) -> KeyFactory:
    """Makes and digests keys under the pepper of the settings, else the given one."""
    return KeyFactory(settings.key_pepper.get_secret_value().encode() if settings.key_pepper else pepper)
