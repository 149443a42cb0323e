"""How a Connect request is recognised, and what its headers say."""

import re
from dataclasses import dataclass
from typing import Final

VERSION_HEADER: Final = "connect-protocol-version"
TIMEOUT_HEADER: Final = "connect-timeout-ms"
_VERSION: Final = "1"
_TIMEOUT: Final = re.compile(r"[0-9]{1,10}")


class ConnectHeaderError(ValueError):
    """A Connect header is not what the protocol says; the text names it."""


@dataclass(frozen=True, slots=True)
class ContentKind:
    """What a content type says of a body on a method's own path."""

    streaming: bool
    binary: bool
    reply_type: str


KINDS: Final = {
    "application/json": ContentKind(streaming=False, binary=False, reply_type="application/json"),
    "application/proto": ContentKind(streaming=False, binary=True, reply_type="application/proto"),
    "application/connect+json": ContentKind(streaming=True, binary=False, reply_type="application/connect+json"),
    "application/connect+proto": ContentKind(streaming=True, binary=True, reply_type="application/connect+proto"),
}
"""The content types of the protocol, in lower case and without parameters."""


def check_version(value: str | None) -> None:
    """The header may be absent; if it is there it must be 1. Raises `ConnectHeaderError`."""
    if value is not None and value != _VERSION:
        raise ConnectHeaderError(f"{VERSION_HEADER}: must be 1, the only version there is")


def seconds_of(value: str | None) -> float | None:
    """The caller's deadline in seconds; `None` without the header. Raises `ConnectHeaderError`."""
    if value is None:
        return None
    if not _TIMEOUT.fullmatch(value):
        raise ConnectHeaderError(f"{TIMEOUT_HEADER}: must be milliseconds, at most ten digits")
    return int(value) / 1000
