"""An incremental parser of server-sent events that knows nothing of what they mean.

After the WHATWG HTML standard, section 9.2.6. Only `data` is kept: names, ids and retry times carry nothing in the
protocols that are spoken here.
"""

from collections.abc import Iterator
from typing import Final

MAX_LINE_BYTES: Final = 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class SseLineTooLong(Exception):
    """A line, or the data of one event, is longer than may be kept."""


class SseParser:
    """Takes bytes as they come and gives the data of every event once its closing blank line was seen.

    Lines end with LF, CRLF or CR. Bytes may be cut anywhere, within a character or a line end too: lines are split as
    bytes, which is safe because no byte of a multi-byte UTF-8 character is a line end. An event whose blank line never
    comes is not an event. Memory is bounded by `max_line` and what is given to `feed`.
    """

    def __init__(self, *, max_line: int = MAX_LINE_BYTES) -> None:
        self._max_line = max_line
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that `chunk` completes, in order; several `data` lines are joined by LF.

        Exhaust it before the next call. Raises `SseLineTooLong`, after the events before it; the parser is of no
        use from then on.
        """
        for line in self._lines(chunk):
            if line.startswith(b"data:"):
                self._keep(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._keep(b"")
            elif not line and self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                self._data = []
                self._data_size = 0
                if data:
                    yield data
        if self._tail_size > self._max_line:
            raise SseLineTooLong

    def _keep(self, value: bytes) -> None:
        self._data_size += len(value) + 1
        if self._data_size > self._max_line:
            raise SseLineTooLong
        self._data.append(value)

    def _lines(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` ends, without their ends; what is behind the last end is kept for the next call."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        lines = chunk.splitlines()
        if not lines:
            return lines
        self._after_cr = chunk.endswith(b"\r")
        rest = b"" if self._after_cr or chunk.endswith(b"\n") else lines.pop()
        if lines and self._tail:
            lines[0] = b"".join((*self._tail, lines[0]))
            self._tail.clear()
            self._tail_size = 0
        if rest:
            self._tail.append(rest)
            self._tail_size += len(rest)
        if lines and self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        return lines
