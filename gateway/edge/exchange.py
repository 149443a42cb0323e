"""One HTTP request and the one reply to it."""

import os
from collections.abc import Iterable
from typing import Any

from gateway.core.error_writer import ErrorReply
from gateway.core.headers import accepted_request_id
from gateway.edge.asgi import Event, RawHeader, Receive, Scope, Send
from gateway.edge.direct_reply import EXTENSION
from gateway.edge.fixed_headers import FixedHeaders

_ID_BYTES = 16
_BODILESS = (204, 205, 304)
_NONE: dict[str, Any] = {}


def new_request_id() -> str:
    """Make a request id: 32 hexadecimal digits."""
    return os.urandom(_ID_BYTES).hex()


class Exchange:
    """A request as ASGI brings it, and the way to answer it.

    Every reply bears the request id: the caller's if it is acceptable, else a new one of 32 hexadecimal digits.
    `added` headers (CORS) go out with whatever the reply is, and so do the `fixed` ones.
    """

    __slots__ = (
        "_direct",
        "_send",
        "added",
        "fixed",
        "headers",
        "is_body_taken",
        "is_head",
        "method",
        "must_close",
        "path",
        "query",
        "receive",
        "request_id",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, fixed: FixedHeaders) -> None:
        self.scope = scope
        self.fixed = fixed
        self.method: str = scope["method"]
        self.path: bytes = scope.get("raw_path") or scope["path"].encode()
        self.query: bytes = scope["query_string"]
        self.receive = receive
        self._send = send
        # Taken out of the scope, which it reaches itself: left there, every request would be garbage in a circle.
        self._direct = scope.get("extensions", _NONE).pop(EXTENSION, None)
        self.is_head = self.method == "HEAD"
        self.headers: dict[bytes, bytes] = {}
        self.added: tuple[RawHeader, ...] = ()
        self.request_id = ""
        self.is_body_taken = False
        """Whether nothing of the request's body is left to receive."""
        self.must_close = False
        """Whether the connection ends with the reply."""
        self.status = 0
        """HTTP status of the reply; 0 until there is one."""

    def identify(self, headers: dict[bytes, bytes]) -> None:
        """Take the request's headers, by lower-case name, and the request id from them or a new one."""
        self.headers = headers
        self.request_id = accepted_request_id(headers.get(b"x-request-id")) or new_request_id()

    def arrived_body(self) -> bytes | None:
        """Take the whole body where it is here already and the server can hand it over; None: receive it."""
        body: bytes | None = None if self._direct is None else self._direct.body()
        self.is_body_taken = body is not None
        return body

    async def start(self, status: int, headers: Iterable[RawHeader]) -> None:
        """Send the head of the reply."""
        self.status = status
        whole = [*self._with_own(headers), *self.fixed.pairs]
        await self._send({"type": "http.response.start", "status": status, "headers": whole})

    async def write(self, data: bytes, *, more: bool) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def reply(self, status: int, headers: list[RawHeader], body: bytes) -> None:
        """Send a whole reply; its length is that of the body, also where the body itself is not sent (HEAD)."""
        if status in _BODILESS:
            headers, body = [header for header in headers if header[0] != b"content-type"], b""
        if status != 204:  # noqa: PLR2004 - the one status that may not have a length (RFC 9110, 8.6)
            headers.append((b"content-length", b"%d" % len(body)))
        if self.is_head:
            body = b""
        direct = self._direct
        if (
            direct is not None
            and not self.must_close
            and direct(status, self._with_own(headers), body, self.fixed.lines)
        ):
            self.status = status
            return
        await self.start(status, headers)
        await self.write(body, more=False)

    async def fail(self, reply: ErrorReply, headers: Iterable[RawHeader] = ()) -> None:
        """Send an error reply; of `headers`, those that the error itself does not have."""
        own = {name for name, _ in reply.headers}
        await self.reply(reply.status, [*reply.headers, *(each for each in headers if each[0] not in own)], reply.body)

    def _with_own(self, headers: Iterable[RawHeader]) -> list[RawHeader]:
        own = [*headers, (b"x-request-id", self.request_id.encode()), *self.added]
        if self.must_close:
            own.append((b"connection", b"close"))
        return own

    async def forward(self, event: Event) -> None:
        """Send an event of a page that speaks ASGI itself."""
        if event["type"] == "http.response.start":
            self.status = event["status"]
            headers = self.fixed.beside(self._with_own(event.get("headers", ())))
            await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        else:
            await self._send(event)
