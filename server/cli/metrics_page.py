"""`/metrics`: the figures in the Prometheus text format, for this machine only."""

from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address
from typing import Any, Final

from server.rpc.metrics import Metrics

_CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
# Whoever comes through a proxy on this machine says so, and is not on it.
_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]


class MetricsPage:
    """An ASGI page; 404 for everybody else, as if there were none."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(
        self, scope: Scope, _receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        if not _is_local(scope):
            await _reply(send, 404, b"not found\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _reply(send, 405, b"GET only\n", (b"allow", b"GET, HEAD"))
        else:
            await _reply(send, 200, self._metrics.render())


def _is_local(scope: Scope) -> bool:
    """Whether the peer is this machine itself."""
    client = scope.get("client")
    if client is None or any(name.lower() in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def _reply(
    send: Callable[[Event], Awaitable[None]], status: int, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    lines = [(b"content-type", _CONTENT_TYPE), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
