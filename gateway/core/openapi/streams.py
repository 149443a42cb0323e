"""How a stream of messages is described: as the array of its items, which is how OpenAPI 3.2 reads such media types.

OpenAPI 3.1 has no word for streams. So the schema of `text/event-stream` is that of a list of events as a client's
parser gives them (`event`, `id`, and `data` as text that holds JSON), and the schema of `application/x-ndjson` that of
a list of the messages on its lines. Each such response also has the extension `x-stream: true`.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.core.dialect import Dialect, StreamData, is_cursor, stream_event_of
from gateway.core.openapi.members import is_message, message_of, real_oneofs
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.wire import Schema, Wire

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
STREAM_MARK = "x-stream"
_ERROR_EVENT = "error"
_END_EVENT = "end"
_NO_EVENT = "message"


def stream_content(message: Descriptor, dialect: Dialect, book: SchemaBook, error: Schema) -> dict[str, Any]:
    """Give the `content` of a stream's response, by media type; `error` is the schema of the dialect's error body."""
    wire = Wire.sent(dialect)
    items = book.named(f"{message.full_name}-events", _events(message, dialect, book, error))
    lines = {"anyOf": [book.message(message, wire), error]}
    return {
        SSE: {"schema": {"type": "array", "items": items}},
        NDJSON: {"schema": {"type": "array", "items": lines}},
    }


def _events(message: Descriptor, dialect: Dialect, book: SchemaBook, error: Schema) -> Schema:
    wire = Wire.sent(dialect)
    cursor = next((each for each in message.fields if is_cursor(each)), None)
    members = [message.fields_by_name[name] for group in real_oneofs(message) for name in group]
    events = [_member_event(message, each, cursor, dialect, book) for each in members]
    if not members:
        events = [_event(_NO_EVENT, book.message(message, wire), cursor, "One message of the stream.")]
    if not any(stream_event_of(each).last for each in members):
        events.append(_event(_END_EVENT, {"type": "object"}, None, "The stream is over and nothing is missing."))
    events.append(_event(_ERROR_EVENT, error, None, "The stream failed after its first event; nothing follows."))
    return {"description": "One event of the stream; comment lines keep it alive.", "oneOf": events}


def _member_event(
    message: Descriptor, member: FieldDescriptor, cursor: FieldDescriptor | None, dialect: Dialect, book: SchemaBook
) -> Schema:
    wire = Wire.sent(dialect)
    if dialect.stream_data is StreamData.MEMBER:
        data = book.message(message_of(member), wire) if is_message(member) else book.field(member, wire)
    else:
        whole = book.message(message, wire)
        data = {"allOf": [whole, {"required": [wire.name(member)]}]}
    return _event(stream_event_of(member).name, data, cursor, book.comments.of(member))


def _event(name: str, data: Schema, cursor: FieldDescriptor | None, text: str) -> Schema:
    identity: Schema = {"type": "string", "description": "Where to continue: what `Last-Event-ID` takes."}
    return {
        "type": "object",
        "title": name,
        **({"description": text} if text else {}),
        "properties": {
            "event": {"const": name},
            **({"id": identity} if cursor is not None else {}),
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
        "required": ["event", "data"],
    }
