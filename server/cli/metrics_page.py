"""`/metrics`: the figures in the Prometheus text format. Who sees them is for others to say."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from server.rpc.metrics import Metrics

_CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]


class MetricsPage:
    """An ASGI page."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(
        self, scope: Scope, _receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        if scope["method"] not in ("GET", "HEAD"):
            await _reply(send, 405, b"GET only\n", (b"allow", b"GET, HEAD"))
        else:
            await _reply(send, 200, self._metrics.render())


async def _reply(
    send: Callable[[Event], Awaitable[None]], status: int, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    lines = [(b"content-type", _CONTENT_TYPE), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
