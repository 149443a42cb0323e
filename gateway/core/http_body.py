"""`google.api.HttpBody`: raw bytes with a content type, in place of JSON."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor

_FULL_NAME = "google.api.HttpBody"
_FALLBACK = b"application/octet-stream"
_CONTENT_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")


def is_http_body(message: Descriptor | None) -> bool:
    """Say whether a message type is `HttpBody`."""
    return message is not None and message.full_name == _FULL_NAME


def fill(message: Any, body: bytes, content_type: str) -> None:
    """Set an `HttpBody` from a request."""
    message.content_type = content_type
    message.data = body


def reply_type(message: Any) -> bytes:
    """Give the content type of a reply; one that cannot stand in a header is replaced."""
    content_type: str = message.content_type
    return content_type.encode() if _CONTENT_TYPE.fullmatch(content_type) else _FALLBACK
