"""The schema of the database, and whether its policies bind whoever works on it."""

from datetime import timedelta
from typing import Final

import asyncpg  # type: ignore[import-untyped]  # it has no stubs
import structlog

from server.adapters.store.migrations import FIND_REVISION, HEAD, upgrade
from server.adapters.store.postgres.failures import Failure, classify
from server.adapters.store.row_security import AS_SERVICE
from server.domain.errors import StoreUnavailable

_log = structlog.get_logger(__name__)

# Any number will do, so long as every version takes the same.
_MIGRATION_LOCK: Final = 0x7061726C6579
_BYPASSES: Final = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"


async def migrate(dsn: str, *, patience: timedelta) -> None:
    """Bring the schema of a database that exists up to date. Raises `SchemaUnknown`, `StoreUnavailable`."""
    try:
        if await _revision(dsn, patience.total_seconds()) != HEAD:
            await _upgrade(dsn)
    except Exception as error:
        if classify(error) is Failure.DEFECT:
            raise
        raise StoreUnavailable from error


async def warn_of_mighty_role(dsn: str, *, patience: timedelta) -> None:
    """Log that policies do not bind the role that a service works as, if so. Raises `StoreUnavailable`."""
    seconds = patience.total_seconds()
    try:
        connection = await asyncpg.connect(dsn, timeout=seconds, command_timeout=seconds)
        try:
            bypasses = await connection.fetchval(_BYPASSES)
        finally:
            await connection.close()
    except Exception as error:
        if classify(error) is Failure.DEFECT:
            raise
        raise StoreUnavailable from error
    if bypasses:
        _log.warning("row_security_bypassed", advice="work as a role without SUPERUSER and BYPASSRLS: see SECURITY.md")


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
            # Revisions change the rows of all owners.
            await connection.execute(text(AS_SERVICE))
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
