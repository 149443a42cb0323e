"""The members of organizations alone, for the operator's commands: a store, and no engine, provider or transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from server.adapters.feed.local import LocalFeed
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.members import Members
from server.bootstrap.store import database_url, opened_store
from server.config import Settings


@asynccontextmanager
async def open_members(settings: Settings, *, database: Path) -> AsyncIterator[Members]:
    """Open the store for its members. `database` is as for `open_service`. Raises `CommandFailed`."""
    clock = SystemClock()
    async with opened_store(database_url(settings, database), feed=LocalFeed()) as store:
        yield Members(store=store, clock=clock, audit=Audit(clock=clock, ids=SystemIds()))
