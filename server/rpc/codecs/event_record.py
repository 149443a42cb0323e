"""Events as values of Kafka records: the message `parley.v1.Event`, in its binary form or as JSON."""

from datetime import UTC

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from parley.v1 import event_pb2

from server.domain.events import Event, ReasoningDelta, TextDelta
from server.domain.ids import ConversationId, MessageId, RunId
from server.rpc.codecs.event import encode_event


class BinaryEvents:
    """The binary form."""

    content_type = "application/x-protobuf"
    schema = event_pb2.Event.DESCRIPTOR.full_name

    def encode(self, event: Event) -> tuple[str, bytes]:
        """The name of the member of `payload`, and the message."""
        message = encode_event(event)
        return str(message.WhichOneof("payload")), self._dump(message)

    def refer(self, event: Event) -> bytes:
        """The message without a payload."""
        message = encode_event(event)
        message.ClearField(message.WhichOneof("payload") or "heartbeat")
        return self._dump(message)

    def delta(self, value: bytes, conversation_id: ConversationId) -> Event | None:
        """The event, if it is a piece of an answer."""
        try:
            return _delta(self._load(value), conversation_id)
        except (DecodeError, json_format.ParseError, ValueError, OverflowError):
            return None

    def _dump(self, message: event_pb2.Event) -> bytes:
        return message.SerializeToString()

    def _load(self, value: bytes) -> event_pb2.Event:
        return event_pb2.Event.FromString(value)


class JsonEvents(BinaryEvents):
    """JSON, as protobuf maps messages to it."""

    content_type = "application/json"

    def _dump(self, message: event_pb2.Event) -> bytes:
        return json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()

    def _load(self, value: bytes) -> event_pb2.Event:
        return json_format.Parse(value, event_pb2.Event())


def _delta(message: event_pb2.Event, conversation_id: ConversationId) -> Event | None:
    payload: TextDelta | ReasoningDelta
    match message.WhichOneof("payload"):
        case "text_delta":
            payload = TextDelta(MessageId(message.text_delta.message_id), message.text_delta.text)
        case "reasoning_delta":
            payload = ReasoningDelta(MessageId(message.reasoning_delta.message_id), message.reasoning_delta.text)
        case _:
            return None
    return Event(
        conversation_id,
        message.conversation_key,
        message.sequence,
        message.created_at.ToDatetime(UTC),
        payload,
        RunId(message.run_id) if message.HasField("run_id") else None,
        message.epoch if message.HasField("epoch") else None,
        message.actor if message.HasField("actor") else None,
    )
