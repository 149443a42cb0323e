"""The errors of the edge itself, before any call is made."""

from collections.abc import Iterable

from gateway.core.problem import Problem, Refused, refused
from gateway.core.status import Code

STOPPING = Problem(Code.UNAVAILABLE, "The gateway is stopping.", reason="STOPPING")
BROKEN = Problem(Code.INTERNAL, "Unexpected error in the gateway.", reason="GATEWAY_ERROR")


def not_found() -> Refused:
    """No route has this path."""
    return refused(Code.NOT_FOUND, "there is no such path", reason="ROUTE_NOT_FOUND")


def method_not_allowed(methods: Iterable[str]) -> Refused:
    """Routes have this path, but not with this method."""
    allowed = ", ".join(methods)
    return refused(
        Code.UNIMPLEMENTED,
        f"this path allows {allowed}",
        reason="METHOD_NOT_ALLOWED",
        http_status=405,
        headers=((b"allow", allowed.encode()),),
    )


def target_too_long(limit: int) -> Refused:
    """Path and query string are too long."""
    message = f"path and query string are longer than {limit} bytes"
    return refused(Code.INVALID_ARGUMENT, message, reason="TARGET_TOO_LONG", http_status=414)


def body_too_slow() -> Refused:
    """The body did not arrive in time."""
    return refused(Code.DEADLINE_EXCEEDED, "the body did not arrive in time", reason="BODY_TIMEOUT", http_status=408)


def malformed() -> Refused:
    """What arrived is no HTTP request."""
    return refused(Code.INVALID_ARGUMENT, "this is no valid HTTP request", reason="MALFORMED_REQUEST", http_status=400)


def too_many_connections() -> Refused:
    """As many connections are open as there may be."""
    return refused(
        Code.UNAVAILABLE,
        "there are too many connections",
        reason="TOO_MANY_CONNECTIONS",
        http_status=503,
        headers=((b"retry-after", b"1"),),
    )


def head_too_slow() -> Refused:
    """The head of a request did not arrive in time."""
    return refused(Code.DEADLINE_EXCEEDED, "the request did not arrive in time", reason="HEAD_TIMEOUT", http_status=408)
