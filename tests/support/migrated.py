"""SQLite files with the current schema, made by the migrations once in a process and copied from then on."""

import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

from server.adapters.store.sqlite.schema import migrate


def migrated(path: Path) -> Path:
    """Have a file there with the current schema and nothing in it; a file that is there already stays as it is."""
    if not path.exists():
        path.touch(0o600)
        path.write_bytes(_empty())
    return path


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        migrate(path, busy_timeout=timedelta(seconds=5))
        return path.read_bytes()
