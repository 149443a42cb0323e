"""A page for this machine alone."""

from ipaddress import ip_address

from gateway.edge.asgi import AsgiHandler, Receive, Scope, Send

# Whoever comes through a proxy on this machine says so, and is not on it.
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
_BODY = b"not found\n"


class LocalPage:
    """An ASGI page around another; 404 for everybody else, as if there were none."""

    def __init__(self, page: AsgiHandler) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if is_local(scope):
            await self._page(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_BODY))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": _BODY})


def is_local(scope: Scope) -> bool:
    """Whether the caller is on this machine itself."""
    client = scope.get("client")
    if client is None or any(name.lower() in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return False
