"""Opens the store that the settings name; what can go wrong with a database is said to whoever started the program."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from server.adapters.store import DatabaseUrlInvalid, open_store
from server.adapters.store.errors import DriverMissing, SchemaUnknown
from server.config import Settings
from server.domain.errors import StoreUnavailable
from server.failure import CommandFailed, InvalidConfiguration
from server.ports.feed import Feed
from server.ports.peers import Peers
from server.ports.store import Store

# What people write for what SQLAlchemy calls it.
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}


def database_url(settings: Settings, file: Path) -> str:
    """The URL of the store, its driver spelled out; `file` is the embedded one's unless the settings name another."""
    if settings.database is None:
        return f"sqlite+aiosqlite:///{file}"
    scheme, separator, rest = settings.database.get_secret_value().partition("://")
    return f"{_DRIVERS.get(scheme, scheme)}{separator}{rest}"


def is_shared(url: str) -> bool:
    """Whether several processes are meant to work on the store of that URL; an embedded one is one's own."""
    return not url.startswith("sqlite")


@asynccontextmanager
async def opened_store(url: str, *, feed: Feed, peers: Peers | None = None) -> AsyncIterator[Store]:
    """The store, migrated. Raises `InvalidConfiguration`, `CommandFailed`."""
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(url, feed=feed, peers=peers))
        except DatabaseUrlInvalid as error:
            raise InvalidConfiguration(
                "The database is given as sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; what --database or "
                "PARLEY_DATABASE says is neither."
            ) from error
        except (DriverMissing, SchemaUnknown) as error:
            raise CommandFailed(f"The database cannot be used: {error}.") from error
        except StoreUnavailable as error:
            raise CommandFailed(f"The database cannot be opened: {error.message}.") from error
        except OSError as error:
            raise CommandFailed(f"The database file cannot be opened: {(error.strerror or '').lower()}.") from error
        yield store
