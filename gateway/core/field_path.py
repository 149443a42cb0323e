"""Fields of a request that are addressed by dotted names, from path templates and query strings."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.core.codec import Codecs, FieldCodec, JsonError
from gateway.core.dialect import Dialect

_MAX_DEPTH = 16
# Their JSON forms are single values: what they consist of has no name of its own.
_OPAQUE = "google.protobuf."


@dataclass(frozen=True, slots=True)
class FieldPath:
    """One field, however deep below a message."""

    steps: tuple[FieldDescriptor, ...]
    codec: FieldCodec

    @property
    def names(self) -> tuple[str, ...]:
        """The proto names along the way."""
        return tuple(step.name for step in self.steps)

    @property
    def leaf(self) -> FieldDescriptor:
        """The field itself."""
        return self.steps[-1]

    def holder(self, message: Message) -> Any:
        """Give the message that has the field; raises `JsonError` where another member of a oneof is in the way."""
        for step in self.steps[:-1]:
            oneof = step.containing_oneof
            if oneof is not None:
                first = message.WhichOneof(oneof.name)
                if first is not None and first != step.name:
                    raise JsonError(f"excludes {first}, which is given too")
            message = getattr(message, step.name)
        return message

    def is_set(self, holder: Any) -> bool:
        """Say whether the field has a value in the message that has it."""
        if self.leaf.has_presence:
            return bool(holder.HasField(self.leaf.name))
        return bool(getattr(holder, self.leaf.name))


class FieldPaths:
    """Finds fields below one message type by proto, JSON and custom (`json_name`) names, mixed as callers like."""

    def __init__(self, message: Descriptor, codecs: Codecs, dialect: Dialect) -> None:
        self._message = message
        self._codecs = codecs
        self._dialect = dialect

    def find(self, dotted: str) -> FieldPath | None:
        """Give the field with this dotted name; None for an unknown one, also below lists, maps and free forms."""
        message: Descriptor | None = self._message
        steps: list[FieldDescriptor] = []
        names = dotted.split(".")
        if len(names) > _MAX_DEPTH:
            return None
        for name in names:
            if message is None:
                return None
            field = _field(message, name)
            if field is None:
                return None
            steps.append(field)
            message = _inner(field)
        return FieldPath(tuple(steps), self._codecs.field(steps[-1], self._dialect))


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    found = message.fields_by_name.get(name)
    if found is not None:
        return found
    return next((field for field in message.fields if field.json_name == name), None)


def _inner(field: FieldDescriptor) -> Descriptor | None:
    """Give the message type below a field that has addressable fields."""
    message = field.message_type
    if message is None or field.is_repeated or message.full_name.startswith(_OPAQUE):
        return None
    return message
