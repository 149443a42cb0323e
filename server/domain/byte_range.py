"""Which part of a content somebody asks for, in the words of HTTP (RFC 9110, 14)."""

import re
from dataclasses import dataclass
from typing import Final

from server.domain.storage_errors import RangeNotSatisfiable

_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` to before `end` of a content that has `size`; at least one."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """As the header of that name has it."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def asked_range(text: str, size: int) -> ByteRange | None:
    """The one range that a `Range` header names; `None` for what is none, or several, which is no error there.

    Raises `RangeNotSatisfiable` for one that has no byte of a content of `size`.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise RangeNotSatisfiable(size)
    return ByteRange(start, end, size)
