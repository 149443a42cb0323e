"""The schema of the database."""

from datetime import timedelta
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no stubs

from server.adapters.store.migrations import FIND_REVISION, HEAD, upgrade
from server.adapters.store.postgres.failures import Failure, classify
from server.domain.errors import StoreUnavailable

# Any number will do, so long as every version takes the same.
_MIGRATION_LOCK: Final = 0x7061726C6579


async def migrate(dsn: str, *, patience: timedelta) -> None:
    """Bring the schema of a database that exists up to date. Raises `SchemaUnknown`, `StoreUnavailable`."""
    try:
        if await _revision(dsn, patience.total_seconds()) != HEAD:
            await _upgrade(dsn)
    except Exception as error:
        if classify(error) is Failure.DEFECT:
            raise
        raise StoreUnavailable from error


async def _revision(dsn: str, timeout: float) -> str | None:  # noqa: ASYNC109 - the driver's own
    connection = await asyncpg.connect(dsn, timeout=timeout, command_timeout=timeout)
    try:
        found = await connection.fetchval(FIND_REVISION)
        return None if found is None else str(found)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()


async def _upgrade(dsn: str) -> None:
    from sqlalchemy import NullPool, text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            # Whoever comes second waits here; a migration takes as long as it takes.
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
