"""Every place of every request that can hold a text, from the descriptors."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.contract.api.case import Json
from tests.contract.api.descriptors import methods

_TEXTS: Final = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_FREE: Final = {
    f"google.protobuf.{name}" for name in ("Any", "BytesValue", "ListValue", "StringValue", "Struct", "Value")
}
"""Messages that can hold any text."""


@dataclass(frozen=True, slots=True)
class Place:
    """A field somewhere in the request of an RPC."""

    rpc: str
    path: tuple[FieldDescriptor, ...]
    """From the request to the field."""

    @property
    def field(self) -> str:
        """The field's full name."""
        return str(self.path[-1].full_name)

    def __str__(self) -> str:
        return f"{self.rpc} {'.'.join(field.name for field in self.path)}"

    def put(self, request: Json, value: Any) -> Json:
        """The request with that value at the place; where messages repeat, in the first."""
        changed: dict[str, Any] = deepcopy(dict(request))
        message = changed
        for field in self.path[:-1]:
            inner = message.setdefault(field.name, [{}] if field.is_repeated else {})
            if field.is_repeated:
                inner[:1] = [dict(inner[0])]
                message = inner[0]
            else:
                message = message[field.name] = dict(inner)
        message[self.path[-1].name] = [value] if self.path[-1].is_repeated else value
        return changed


def places() -> list[Place]:
    """All of them."""
    return [Place(rpc, path) for rpc, method in methods().items() for path in _texts(method.input_type, ())]


def _texts(message: Descriptor, outer: tuple[FieldDescriptor, ...]) -> Iterator[tuple[FieldDescriptor, ...]]:
    for field in message.fields:
        inner = field.message_type
        if field.type in _TEXTS or (inner is not None and inner.full_name in _FREE):
            yield (*outer, field)
        elif inner is not None and inner not in {each.containing_type for each in (*outer, field)}:
            yield from _texts(inner, (*outer, field))
