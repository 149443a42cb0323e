"""Writes a file piece by piece in threads, under another name until it is whole; drops it whoever leaves first."""

import contextlib
import os
import secrets
import threading
from io import FileIO
from pathlib import Path
from typing import Final

DRAFT: Final = "."
"""What names of files that are not whole begin with."""
_DIRECTORY_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class Writing:
    """One file on its way to its place. A caller that is cancelled leaves its thread behind in the middle of a piece; a
    descriptor that was closed under it might by then be another file's."""

    def __init__(self, place: Path) -> None:
        """Write to `place`; directories and draft are made with the first piece, or with the end."""
        self._place = place
        self._draft = place.with_name(f"{DRAFT}{place.name}.{secrets.token_hex(4)}")
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        self._left = False

    def piece(self, content: bytes) -> None:
        """Add bytes; nothing after `leave`. Blocks; for threads. Raises `OSError`."""
        try:
            with self._lock:
                if not self._left:
                    self._write(content)
        finally:
            self._settle()

    def finish(self) -> None:
        """Put the file in its place, durably; nothing after `leave`. Blocks; for threads. Raises `OSError`."""
        try:
            with self._lock:
                if not self._left:
                    self._finish()
        finally:
            self._settle()

    def leave(self) -> None:
        """Drop what is not finished, now or as soon as the piece under way is written. Never waits for that."""
        self._left = True
        self._settle()

    def _write(self, content: bytes) -> None:
        file = self._opened()
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]

    def _finish(self) -> None:
        file = self._opened()
        os.fsync(file.fileno())
        self._draft.replace(self._place)
        file.close()
        self._file = None
        _sync(self._place.parent)

    def _opened(self) -> FileIO:
        if self._file is None:
            _make(self._place.parent)
            self._file = FileIO(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb")
        return self._file

    def _settle(self) -> None:
        """Drop what was left. Whoever holds the lock comes here once more after releasing it."""
        if self._left and self._lock.acquire(blocking=False):
            try:
                if self._file is not None:
                    self._file.close()
                    self._file = None
                    self._draft.unlink(missing_ok=True)
            finally:
                self._lock.release()


def _make(folder: Path) -> None:
    """Make a directory with those above it, each durable in the one that holds it."""
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=_DIRECTORY_MODE)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
