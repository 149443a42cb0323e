"""Reads a file piece by piece in threads, and closes it whoever leaves first: the reader or the thread."""

import threading
from io import FileIO
from pathlib import Path


class Reading:
    """One pass over a file. A caller that is cancelled leaves its thread behind in the middle of a read; a descriptor
    that was closed under it might by then be another file's."""

    def __init__(self, place: Path, *, piece_bytes: int, start: int = 0, end: int | None = None) -> None:
        """Read `place` from `start` to before `end` (`None`: to its end); it is opened with the first piece."""
        self._place = place
        self._piece_bytes = piece_bytes
        self._at = start
        self._end = end
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        self._left = False

    def piece(self) -> bytes:
        """The next bytes, none at the end, without a file and after `leave`. Blocks; for threads. Raises `OSError`."""
        try:
            with self._lock:
                return b"" if self._left else self._read()
        finally:
            self._settle()

    def leave(self) -> None:
        """Close the file, now or as soon as the piece under way is read. Never blocks."""
        self._left = True
        self._settle()

    def _read(self) -> bytes:
        if self._file is None:
            try:
                self._file = FileIO(self._place)
            except FileNotFoundError:
                return b""
            if self._at:
                self._file.seek(self._at)
        size = self._piece_bytes if self._end is None else min(self._piece_bytes, self._end - self._at)
        piece = self._file.read(size) or b"" if size > 0 else b""
        self._at += len(piece)
        return piece

    def _settle(self) -> None:
        """Close what was left. Whoever holds the lock comes here once more after releasing it."""
        if self._left and self._lock.acquire(blocking=False):
            try:
                if self._file is not None:
                    self._file.close()
                    self._file = None
            finally:
                self._lock.release()
