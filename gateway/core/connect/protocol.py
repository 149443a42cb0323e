"""How a Connect request says what it speaks."""

from typing import Final

from gateway.core.problem import invalid

VERSION_HEADER: Final = "connect-protocol-version"
UNARY_JSON: Final = "application/json"
UNARY_BINARY: Final = "application/proto"
STREAM_JSON: Final = "application/connect+json"
STREAM_BINARY: Final = "application/connect+proto"
_VERSION: Final = b"1"


def media_type(content_type: bytes) -> str:
    """The type of a body, in lower case and without parameters."""
    return content_type.partition(b";")[0].strip().lower().decode("latin-1")


def is_connect(version: bytes | None) -> bool:
    """Whether the request says that a Connect client sends it. Raises `Refused` for a version other than 1."""
    if version not in (None, _VERSION):
        raise invalid(VERSION_HEADER, "must be 1, the only version there is", reason="INVALID_HEADER")
    return version is not None
