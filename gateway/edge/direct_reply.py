"""Takes a whole body and writes a whole reply at once, for servers of ours that offer it to the application as an ASGI
extension."""

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.edge.asgi import RawHeader
from gateway.edge.head_joiner import HeadJoiner

EXTENSION = "gateway.direct_reply"
"""Name under which a scope's `extensions` hold a `DirectReply`, where the server has one."""


class DirectReply:
    """Answers one request without ASGI events, whose parsing costs as much as encoding the reply itself.

    Names and values of headers are not looked at again: the edge makes them, or has checked them where it took them
    from elsewhere.
    """

    __slots__ = ("_cycle", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: HeadJoiner) -> None:
        self._cycle = cycle
        self._transport = transport

    def body(self) -> bytes | None:
        """Take the request's body if all of it is here, as that of most requests is when their turn comes."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
            return None
        body = bytes(cycle.body)
        cycle.body = bytearray()
        cycle.message_event.clear()
        # A large body stops the reading, and with it the news that the client has left.
        cycle.flow.resume_reading()
        return body

    def __call__(self, status: int, headers: Sequence[RawHeader], body: bytes, fixed: bytes) -> bool:
        """Write the reply, `content-length` included in `headers`; False if it has to go the ordinary way.

        `fixed`: further headers, as lines."""
        cycle = self._cycle
        if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        last = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        self._transport.write_now(b"".join((STATUS_LINE[status], *lines, fixed, last, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()
        return True
