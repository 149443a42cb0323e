"""How a stream of messages is described: by the schema of one of its items.

OpenAPI 3.1 has no word for streams. The tools that read it take the schema of `text/event-stream` for that of each
event, as a client's parser gives it: `event`, `id`, and `data` as text that holds JSON. The schema of
`application/x-ndjson` is likewise that of each line, which has the same members, `data` being the JSON itself. Each
such response also has the extension `x-stream: true`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.dialect import Dialect, StreamData, StreamFraming, is_cursor, stream_event_of
from gateway.core.openapi.members import event_members, is_message, message_of
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.wire import Schema, Wire

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
STREAM_MARK = "x-stream"
_ERROR = "error"
_END = "end"
# What parsers call an event that has no name; it may also be left out.
_UNNAMED = "message"


@dataclass(frozen=True, slots=True)
class _Event:
    name: str
    data: Schema
    text: str
    has_id: bool = False
    is_named: bool = True


def stream_content(
    message: Descriptor, dialect: Dialect, framing: StreamFraming, book: SchemaBook, error: Schema
) -> dict[str, Any]:
    """Give the `content` of a stream's response by media type, the method's own framing first.

    `error` is the schema of the dialect's error body.
    """
    events = list(_events(message, dialect, book, error))
    schemas = {
        SSE: book.named(f"{message.full_name}-event", _item(events, _as_text)),
        NDJSON: book.named(f"{message.full_name}-line", _item(events, lambda data: data)),
    }
    order = (NDJSON, SSE) if framing is StreamFraming.NDJSON else (SSE, NDJSON)
    return {media: {"schema": schemas[media]} for media in order}


def _events(message: Descriptor, dialect: Dialect, book: SchemaBook, error: Schema) -> Iterator[_Event]:
    has_id = any(is_cursor(each) for each in message.fields)
    members = event_members(message)
    for member in members:
        data = _data(message, member, dialect, book)
        yield _Event(stream_event_of(member).name, data, book.comments.of(member), has_id)
    if not members:
        whole = book.message(message, Wire.sent(dialect))
        yield _Event(_UNNAMED, whole, "One message of the stream.", has_id, is_named=False)
    if not any(stream_event_of(each).name == _END for each in members):
        yield _Event(_END, {"type": "object"}, "The stream is over and nothing is missing.")
    yield _Event(_ERROR, error, "The stream failed after its first event; nothing follows.")


def _data(message: Descriptor, member: FieldDescriptor, dialect: Dialect, book: SchemaBook) -> Schema:
    wire = Wire.sent(dialect)
    if dialect.stream_data is StreamData.MESSAGE:
        return {"allOf": [book.message(message, wire), {"required": [wire.name(member)]}]}
    return book.message(message_of(member), wire) if is_message(member) else book.field(member, wire)


def _item(events: list[_Event], shown: Callable[[Schema], Schema]) -> Schema:
    return {
        "description": "One event of the stream.",
        "oneOf": [_alternative(event, shown(event.data)) for event in events],
    }


def _alternative(event: _Event, data: Schema) -> Schema:
    identity: Schema = {"type": "string", "description": "Where to continue: what `Last-Event-ID` takes."}
    return {
        "type": "object",
        "title": event.name,
        **({"description": event.text} if event.text else {}),
        "properties": {
            "event": {"const": event.name},
            **({"id": identity} if event.has_id else {}),
            "data": data,
        },
        "required": ["event", "data"] if event.is_named else ["data"],
    }


def _as_text(data: Schema) -> Schema:
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
