"""HTTP/1.1 on one connection: uvicorn's httptools protocol, with limits on what may arrive before a request does."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.config import GatewayConfig
from gateway.core.error_writer import ErrorReply
from gateway.core.headers import headers_too_large
from gateway.core.problem import Problem, Refused
from gateway.edge import refusals
from gateway.edge.direct_reply import EXTENSION, DirectReply
from gateway.edge.exchange import new_request_id
from gateway.edge.fixed_headers import FixedHeaders
from gateway.edge.head_joiner import HeadJoiner

ErrorSource = Callable[[bytes, Problem], ErrorReply]
# A head that arrives at once is measured field by field when it is whole. This bound is for one that never ends.
_HEAD_FACTOR = 4


class HttpProtocol(HttpToolsProtocol):
    """One connection. A malformed, endless or slow head is answered here, in the dialect that its path suggests."""

    def __init__(
        self, *, config: Config, state: ServerState, limits: GatewayConfig, error: ErrorSource, fixed: FixedHeaders
    ) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._error = error
        self._fixed = fixed
        self._connection_limit = limits.connection_limit
        self._head_timeout = limits.head_timeout
        self._head_limit = _HEAD_FACTOR * (limits.header_limit + limits.target_limit)
        self._refuse_head = headers_too_large(limits.header_limit, limits.header_count)
        self._awaits_head = True
        self._has_begun = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Begin the connection: the first request's head has its time from here on."""
        self._joiner = HeadJoiner(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._joiner))
        if len(self.connections) > self._connection_limit:
            self._refuse(refusals.too_many_connections())
            return
        self._head_timer = self.loop.call_later(self._head_timeout, self._head_expired)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see whether the head of a request is still under way afterwards."""
        began_earlier = self._awaits_head
        super().data_received(data)
        if not self._awaits_head or self.transport.is_closing():
            return
        if began_earlier:
            self._head_bytes += len(data)
        if self._head_bytes > self._head_limit:
            self._refuse(self._refuse_head)
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_timeout, self._head_expired)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._awaits_head = self._has_begun = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._awaits_head = self._has_begun = False
        self._stop_head_timer()
        super().on_headers_complete()
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: DirectReply(self.cycle, self._joiner)}

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; the name is uvicorn's."""
        del msg
        self._refuse(refusals.malformed())

    def _head_expired(self) -> None:
        self._head_timer = None
        if self._awaits_head and not self.transport.is_closing():
            if self._has_begun:
                self._refuse(refusals.head_too_slow())
            else:
                self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Refused) -> None:
        """Answer and close. While a reply is under way, closing is all that can be said."""
        self._stop_head_timer()
        if self._takes_reply():
            reply = self._error(self.url.partition(b"?")[0], refusal.problem)
            body = reply.body
            headers: Any = (
                *self.server_state.default_headers,
                *reply.headers,
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", new_request_id().encode()),
                (b"connection", b"close"),
            )
            head = b"".join([b"%b: %b\r\n" % header for header in headers])
            self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[reply.status], head, self._fixed.lines, body))
        self.transport.close()

    def _takes_reply(self) -> bool:
        """Say whether a reply can be written here; an exchange that still waits for its body learns that it is over."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        if cycle.response_started or cycle.disconnected:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True
