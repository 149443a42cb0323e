"""The data directory: what a service keeps in files beside its database.

It holds the lock of the one server on it, the pepper of the keys, the development key, the addresses that answer and,
in a directory of their own, images.
Every file is 0600 and appears whole or not at all. It reads and writes no database.
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.failure import CommandFailed

_PEPPER_BYTES = 32
_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600


class DirectoryInUse(CommandFailed):
    """Another server works on the directory."""


class DirectoryUnusable(CommandFailed):
    """The directory cannot be made, read or written."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a running server accepts calls."""

    http: str
    grpc: str
    tls: bool


class DataDirectory:
    """The files of one data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @property
    def database(self) -> Path:
        """The file of the embedded database."""
        return self.path / "parley.db"

    @property
    def files(self) -> Path:
        """Where the contents of files lie, unless the settings name another place."""
        return self.path / "files"

    @property
    def addresses(self) -> Path:
        """Where calls are accepted, while they are: `{"http": "host:port", "grpc": "host:port", "tls": false}`."""
        return self.path / "addresses.json"

    @property
    def development_key(self) -> Path:
        """The key of the user `dev`, for servers that only this machine can reach."""
        return self.path / "dev.key"

    def prepare(self) -> None:
        """Make the directory (0700) unless it is there. Raises `DirectoryUnusable` when it cannot be written."""
        try:
            if not self.path.is_dir():
                self.path.mkdir(parents=True)
                self.path.chmod(_DIRECTORY_MODE)
            self._write(self.path / ".writable", "")
            (self.path / ".writable").unlink()
        except OSError as error:
            raise DirectoryUnusable(
                f"The data directory {self.path} cannot be used: {_fact(error)}. Name another with --data."
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only server on the directory; the lock ends with the process, however that ends.

        Raises `DirectoryInUse` when there is another. Addresses that a killed server left are removed.
        """
        with os.fdopen(_private(self.path / "lock", os.O_WRONLY | os.O_CREAT), "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DirectoryInUse(self._who_uses_it()) from None
            self.addresses.unlink(missing_ok=True)
            yield

    def pepper(self) -> bytes:
        """The secret under which keys are hashed: 64 hex digits, made on first use, one for all who ask at once."""
        path = self.path / "pepper"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text().strip().encode()
        draft = self._draft(path, secrets.token_hex(_PEPPER_BYTES) + "\n")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
        return path.read_text().strip().encode()

    def read_development_key(self) -> str | None:
        """The development key, if one was made."""
        try:
            return self.development_key.read_text().strip() or None
        except FileNotFoundError:
            return None

    def write_development_key(self, key: str) -> None:
        """Keep the development key."""
        self._write(self.development_key, key + "\n")

    @contextlib.contextmanager
    def published(self, *, http: str, grpc: str, tls: bool) -> Iterator[None]:
        """Say for the length of the block where calls are accepted, and whether with TLS."""
        self._write(self.addresses, json.dumps({"http": http, "grpc": grpc, "tls": tls}) + "\n")
        try:
            yield
        finally:
            self.addresses.unlink(missing_ok=True)

    def read_addresses(self) -> Published | None:
        """Where calls are accepted; `None` while no server runs here."""
        try:
            found = json.loads(self.addresses.read_text())
        except FileNotFoundError:
            return None
        return Published(found["http"], found["grpc"], tls=bool(found.get("tls")))

    def _who_uses_it(self) -> str:
        addresses = self.read_addresses()
        where = f", at {'https' if addresses.tls else 'http'}://{addresses.http}" if addresses else ""
        return f"Another server already runs on {self.path}{where}. Stop it, or name another directory with --data."

    def _write(self, path: Path, text: str) -> None:
        self._draft(path, text).replace(path)

    def _draft(self, path: Path, text: str) -> Path:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return draft


def _private(path: Path, flags: int) -> int:
    return os.open(path, flags, _FILE_MODE)


def _fact(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
