"""Cuts a stream of bytes into lines of bounded length."""


class LineTooLong(Exception):
    """A line passed its bound before it ended."""


class LineSplitter:
    """Takes chunks, gives the lines that they complete. Each byte is looked at and copied once."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most = most_bytes
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`, without their ends; empty ones are left out. Raises `LineTooLong`."""
        head, *rest = data.split(b"\n")
        self._begun.append(head)
        self._size += len(head)
        if self._size > self._most:
            raise LineTooLong
        if not rest:
            return []
        lines = [b"".join(self._begun), *rest[:-1]]
        self._begun, self._size = [rest[-1]], len(rest[-1])
        return [line for line in lines if line.strip()]
