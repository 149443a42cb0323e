"""Where the contents of files lie: a place for each database, so that none ever sweeps another's away."""

import random
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.blobs.s3.blobs import S3Blobs
from server.adapters.blobs.s3.check import StorageUnusable, check
from server.adapters.blobs.s3.client import S3Client
from server.adapters.blobs.s3.config import S3Config
from server.config import Settings
from server.failure import CommandFailed
from server.ports.blobs import Blobs
from server.ports.system import Clock

_EMBEDDED: Final = "embedded"
_POSTGRES: Final = "postgresql"
_DIGITS: Final = 12
_NOT_IN_NAMES: Final = re.compile(r"[^0-9A-Za-z_-]")


@asynccontextmanager
async def opened_blobs(
    settings: Settings, s3: S3Config | None, *, usual: Path, secret: bytes, clock: Clock
) -> AsyncGenerator[Blobs, None]:
    """The bucket, which is tried first, or without one the directory below `usual`. `secret` is the same in every
    process on a database. Raises `CommandFailed`."""
    if s3 is None:
        yield DirectoryBlobs(files_directory(settings, usual))
        return
    async with aclosing(S3Client(s3, clock=clock, random=random.random)) as client:
        try:
            await check(client, s3)
        except StorageUnusable as error:
            raise CommandFailed(f"{settings.config}: {error}.") from error
        prefix = f"{s3.prefix}{database_folder(settings)}/"
        yield S3Blobs(client, prefix=prefix, secret=secret, encryption=s3.encryption)


def files_directory(settings: Settings, usual: Path) -> Path:
    """The directory of the database that the settings name, below `usual` unless the settings name another."""
    return (settings.files or usual).expanduser().absolute() / database_folder(settings)


def database_folder(settings: Settings) -> str:
    """The name of the place of the database that the settings name.

    Every process on one PostgreSQL database comes to the same name, whatever host and user its URL has.
    """
    if settings.database is None:
        return _EMBEDDED
    scheme, _, rest = settings.database.get_secret_value().partition("://")
    database = rest.partition("?")[0]
    if scheme.startswith("sqlite"):
        path = str(Path(database.removeprefix("/")).expanduser().absolute())
        return f"sqlite-{sha256(path.encode()).hexdigest()[:_DIGITS]}"
    return f"{_POSTGRES}-{_NOT_IN_NAMES.sub('_', database.rpartition('/')[2])}"
