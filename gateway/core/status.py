"""The gRPC status codes and the HTTP status of each."""

import enum


class Code(enum.IntEnum):
    """A gRPC status code; the names are those that error bodies show."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_HTTP_STATUSES = (200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401)
CONTENT_TOO_LARGE = 413
HEADERS_TOO_LARGE = 431
# grpc tells its two size limits from other exhausted resources by these words only.
_MESSAGE_SIZE = "message larger than max"
_METADATA_SIZE = "metadata size exceeds"


def code_of(number: int) -> Code:
    """Give the code with this number; a number that is none of them is UNKNOWN."""
    return Code(number) if 0 <= number < len(_HTTP_STATUSES) else Code.UNKNOWN


def http_status(code: Code, message: str) -> int:
    """Give the HTTP status of a gRPC status."""
    if code is Code.RESOURCE_EXHAUSTED:
        if _MESSAGE_SIZE in message:
            return CONTENT_TOO_LARGE
        if _METADATA_SIZE in message:
            return HEADERS_TOO_LARGE
    return _HTTP_STATUSES[code]
