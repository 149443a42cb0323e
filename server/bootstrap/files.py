"""Where the contents of files lie: a directory for each database, so that none ever sweeps another's away."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

from server.config import Settings

_EMBEDDED: Final = "embedded"
_POSTGRES: Final = "postgresql"
_DIGITS: Final = 12
_NOT_IN_NAMES: Final = re.compile(r"[^0-9A-Za-z_-]")


def files_directory(settings: Settings, usual: Path) -> Path:
    """The directory of the database that the settings name, below `usual` unless the settings name another.

    Every process on one PostgreSQL database comes to the same name, whatever host and user its URL has.
    """
    base = (settings.files or usual).expanduser().absolute()
    if settings.database is None:
        return base / _EMBEDDED
    scheme, _, rest = settings.database.get_secret_value().partition("://")
    database = rest.partition("?")[0]
    if scheme.startswith("sqlite"):
        path = str(Path(database.removeprefix("/")).expanduser().absolute())
        return base / f"sqlite-{sha256(path.encode()).hexdigest()[:_DIGITS]}"
    return base / f"{_POSTGRES}-{_NOT_IN_NAMES.sub('_', database.rpartition('/')[2])}"
