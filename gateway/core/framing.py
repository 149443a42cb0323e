"""Writes the messages of a stream as server-sent events or as lines of JSON (NDJSON).

A line of NDJSON holds what an event holds: `{"event": "delta", "id": "7", "data": {…}}`, without the members that the
event does not have. Both framings end with an event `end` (data `{}`) unless the stream's own last event says that it
is the last, or with an event `error` whose data is the error body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor

from gateway.core import http_body
from gateway.core.codec import Codecs
from gateway.core.codec.fields import Form, fields_of
from gateway.core.dialect import Dialect, StreamData, StreamFraming, is_cursor, stream_event_of

HEARTBEAT = b": heartbeat\n\n"


Frame = Callable[[Any], tuple[bytes, bool]]
"""Makes one event of a message, as it goes out, and says whether the stream may end after it without an `end` event.

Raises `JsonError` for a message that has no JSON form.
"""


@dataclass(frozen=True, slots=True)
class Framing:
    """The punctuation of a stream."""

    content_type: bytes
    has_heartbeat: bool
    event: Callable[[str, str, bytes], bytes]
    """Frames an event from its name ("" for none), its id ("" for none) and its data."""
    end: Callable[[], bytes]
    """Gives the explicit end of a stream."""
    error: Callable[[bytes], bytes]
    """Frames the error that ends a stream from the error writer's body."""


def _sse(name: str, cursor: str, data: bytes) -> bytes:
    head = (f"id: {cursor}\n" if cursor else "") + (f"event: {name}\n" if name else "")
    return b"%bdata: %b\n\n" % (head.encode(), data)


def _line(name: str, cursor: str, data: bytes) -> bytes:
    head = (f'"event":"{name}",' if name else "") + (f'"id":"{cursor}",' if cursor else "")
    return b'{%b"data":%b}\n' % (head.encode(), data)


def _with_events(content_type: bytes, event: Callable[[str, str, bytes], bytes], *, has_heartbeat: bool) -> Framing:
    """Make a framing whose end and error are events of their own."""
    return Framing(
        content_type,
        has_heartbeat=has_heartbeat,
        event=event,
        end=lambda: event("end", "", b"{}"),
        error=lambda body: event("error", "", body),
    )


SSE = _with_events(b"text/event-stream", _sse, has_heartbeat=True)
NDJSON = _with_events(b"application/x-ndjson", _line, has_heartbeat=False)
_BY_TYPE = {"text/event-stream": SSE, "application/x-ndjson": NDJSON}
_BY_OPTION = {StreamFraming.SSE: SSE, StreamFraming.NDJSON: NDJSON}


def framing_for(accept: str, default: StreamFraming) -> Framing:
    """Choose the framing that `Accept` asks for most, or the method's own when it names neither."""
    best, chosen = 0.0, None
    for item in accept.split(","):
        kind, *parameters = item.split(";")
        framing = _BY_TYPE.get(kind.strip().lower())
        quality = _quality(parameters)
        if framing is not None and quality > best:
            best, chosen = quality, framing
    return chosen or _BY_OPTION[default]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class _Event(NamedTuple):
    name: str
    is_last: bool
    encode: Callable[[Any], bytes]


class _Form(NamedTuple):
    """An event in one framing; its texts lack but the values."""

    with_id: bytes
    without_id: bytes
    is_last: bool
    encode: Callable[[Any], bytes]


class EventPlan:
    """How one method's stream messages become events."""

    def __init__(self, message: Descriptor, codecs: Codecs, dialect: Dialect) -> None:
        whole = codecs.message(message, dialect).encode
        self.is_raw = http_body.is_http_body(message)
        """Whether the messages are `HttpBody`, and the stream is their bytes without any framing."""
        self._plain = _Event("", is_last=False, encode=whole)
        self._oneof = _event_oneof(message, dialect)
        self._events: dict[str, _Event] = {}
        for field in message.oneofs_by_name[self._oneof].fields if self._oneof else ():
            event = stream_event_of(field)
            member = codecs.field(field, dialect).encode
            encode = member if dialect.stream_data is StreamData.MEMBER else whole
            self._events[field.name] = _Event(event.name, event.last, encode)
        self._cursor = next((field.name for field in message.fields if is_cursor(field)), None)
        self._frames: dict[Framing, Frame] = {}

    @staticmethod
    def raw_type(message: Any) -> bytes:
        """Give the content type of a raw stream, from its first message."""
        return http_body.reply_type(message)

    def frame(self, framing: Framing) -> Frame:
        """Give the function that makes events in this framing."""
        found = self._frames.get(framing)
        if found is None:
            found = self._frames[framing] = self._compiled(framing)
        return found

    def _compiled(self, framing: Framing) -> Frame:
        """Put together beforehand what does not depend on a message: the rest is the price of every event."""
        oneof, cursor = self._oneof, self._cursor
        plain = _form(self._plain, framing)
        forms = {member: _form(event, framing) for member, event in self._events.items()}

        def frame(message: Any) -> tuple[bytes, bool]:
            form = plain
            if oneof is not None:
                member = message.WhichOneof(oneof)
                if member is not None:
                    form = forms[member]
            with_id, without_id, is_last, encode = form
            text = b"" if cursor is None else _id(getattr(message, cursor))
            return with_id % (text, encode(message)) if text else without_id % encode(message), is_last

        return frame


def _form(event: _Event, framing: Framing) -> _Form:
    name = event.name.replace("%", "%%")
    return _Form(framing.event(name, "%b", b"%b"), framing.event(name, "", b"%b"), event.is_last, event.encode)


def _event_oneof(message: Descriptor, dialect: Dialect) -> str | None:
    """Give the oneof whose members are the events: the first one that is not an `optional` field in disguise."""
    return next((field.oneof for field in fields_of(message, Form.of(dialect)) if field.oneof is not None), None)


def _id(value: Any) -> bytes:
    """Give a cursor as an event's id; zero, "" and what would break out of its line are none."""
    if not value:
        return b""
    if type(value) is int:
        return b"%d" % value
    text = str(value)
    return text.encode() if text.isprintable() and '"' not in text and "\\" not in text else b""
