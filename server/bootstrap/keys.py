"""The keys alone, for the operator's commands: a store, and no engine, provider or transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.adapters.feed.local import LocalFeed
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.key_operation import Keys
from server.application.keys import KeyFactory
from server.bootstrap.store import database_url, opened_store
from server.config import Settings
from server.ports.store import Store
from server.ports.system import Clock, Ids


@asynccontextmanager
async def open_keys(settings: Settings, *, database: Path, pepper: bytes) -> AsyncIterator[Keys]:
    """Open the store for its keys. `database` and `pepper` are as for `open_service`. Raises `CommandFailed`."""
    async with opened_store(database_url(settings, database), feed=LocalFeed()) as store:
        yield operated_keys(store, SystemClock(), SystemIds(), key_factory(settings, pepper))


def operated_keys(store: Store, clock: Clock, ids: Ids, factory: KeyFactory) -> Keys:
    """The keys of a store, for the operator."""
    return Keys(store=store, clock=clock, ids=ids, factory=factory, audit=Audit(clock=clock, ids=ids))


def key_factory(settings: Settings, pepper: bytes) -> KeyFactory:
    """Makes and digests keys under the pepper of the settings, else the given one."""
    return KeyFactory(settings.key_pepper.get_secret_value().encode() if settings.key_pepper else pepper)
