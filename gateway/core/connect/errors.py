"""Connect's codes and error bodies."""

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

CODES: Final = (
    "",
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
)
"""Connect's word for each gRPC status code, by number; OK has none."""

HTTP_STATUSES: Final = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
"""HTTP status of a unary reply for each gRPC status code, by number."""

_UNKNOWN: Final = 2


class Detail(NamedTuple):
    """One status detail: the full name of its message and its bytes."""

    type: str
    value: bytes


def word_of(code: int) -> str:
    """Connect's word for a gRPC status code; an unheard-of number is `unknown`."""
    return CODES[code] if 0 < code < len(CODES) else CODES[_UNKNOWN]


def http_status_of(code: int) -> int:
    """HTTP status of a unary reply that ends with a gRPC status code."""
    return HTTP_STATUSES[code] if 0 <= code < len(HTTP_STATUSES) else HTTP_STATUSES[_UNKNOWN]


def error_body(code: int, message: str, details: Sequence[Detail] = ()) -> dict[str, object]:
    """The JSON of an error: `code`, and `message` and `details` where there are any; bytes as unpadded base64."""
    body: dict[str, object] = {"code": word_of(code)}
    if message:
        body["message"] = message
    if details:
        body["details"] = [{"type": detail.type, "value": _base64(detail.value)} for detail in details]
    return body


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode().rstrip("=")
