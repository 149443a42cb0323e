"""Call metadata as gRPC has it: pairs of lower-case key and text (bytes for `-bin` keys), and what they weigh."""

from collections.abc import Iterable
from typing import NamedTuple

FIELD_OVERHEAD = 32
"""What HTTP/2 adds to the length of each header field when it counts the size of a header list."""


class Metadatum(NamedTuple):
    """One pair; the attribute names are those of grpc's own pairs, which interceptors may read."""

    key: str
    value: str | bytes


Metadata = tuple[Metadatum, ...]

# What grpc itself sends with a request (`:path`, `:authority`, `user-agent`, `grpc-timeout` …) and counts as well.
TRANSPORT_SHARE = 768
_REPLY_SHARE = 42 + 60  # `:status` and `content-type` of a reply


def size_of(pairs: Iterable[tuple[str, str | bytes]]) -> int:
    """Give the size of a header list as HTTP/2 counts it."""
    return sum([len(key) + len(value) + FIELD_OVERHEAD for key, value in pairs])


def trailers_size(code: int, message: str, pairs: Iterable[tuple[str, str | bytes]]) -> int:
    """Give what the head of a reply that is only trailers weighs, grpc's own fields included."""
    status = len("grpc-status") + len(str(code)) + FIELD_OVERHEAD
    text = len("grpc-message") + _escaped_length(message) + FIELD_OVERHEAD if message else 0
    return _REPLY_SHARE + status + text + size_of(pairs)


def _escaped_length(message: str) -> int:
    if message.isascii() and message.isprintable() and "%" not in message:
        return len(message)
    return sum(1 if 0x20 <= byte <= 0x7E and byte != 0x25 else 3 for byte in message.encode(errors="replace"))  # noqa: PLR2004 - the printable ASCII range, less "%"


def first(pairs: Iterable[tuple[str, str | bytes]], key: str) -> str | bytes | None:
    """Give the first value under `key`, or None."""
    for name, value in pairs:
        if name == key:
            return value
    return None
