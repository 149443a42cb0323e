"""Reads which stream answers in a unary method's place on the method's declared routes, and when."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from gateway.core.dialect import Rule
from gateway.core.http_rule import RuleError


@dataclass(frozen=True, slots=True)
class Twin:
    """The server stream that takes the same request, and the request's `bool` field that asks for it."""

    stream: MethodDescriptor
    when: str

    def is_asked_for(self, request: Any) -> bool:
        """Say whether this request is for the stream."""
        return bool(getattr(request, self.when))


def twin_of(method: MethodDescriptor, rule: Rule) -> Twin | None:
    """Give the twin that the method's rule names, None when it names none.

    Raises `RuleError` for a pair that cannot share a route.
    """
    if rule.stream_twin is None:
        return None
    name, when = rule.stream_twin
    stream = method.containing_service.methods_by_name.get(name)
    field = method.input_type.fields_by_name.get(when)
    if method.server_streaming or stream is None or not stream.server_streaming or stream.client_streaming:
        raise RuleError(f"{method.full_name}: the stream_twin of a unary method is a server stream of its service")
    if stream.input_type is not method.input_type:
        raise RuleError(f"{method.full_name}: its stream_twin {name} takes another request")
    if field is None or field.is_repeated or field.type != FieldDescriptor.TYPE_BOOL:
        raise RuleError(f"{method.full_name}: {when!r}, which asks for its stream_twin, is no bool of the request")
    return Twin(stream, when)
