"""The JSON of the documented routes as a client without any of the gateway's code reads and writes it."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from google.api import annotations_pb2  # type: ignore[import-untyped]  # ships no stubs
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from parley.options.v1 import options_pb2

HTTP_BODY = "google.api.HttpBody"
_OWN_JSON = "google.protobuf."
# A segment of a path cannot be empty.
_ANYTHING = "-"
_VARIABLE = re.compile(r"\{(\w+)\}")


def documented(method: MethodDescriptor) -> tuple[MethodDescriptor, Mapping[str, Any]]:
    """The method whose routes and request a method is documented with, and what asks for it there: itself and nothing
    more, but for a stream that shares the routes of another."""
    for other in method.containing_service.methods:
        twin = other.GetOptions().Extensions[options_pb2.rule].stream_twin
        if twin.method == method.name:
            return other, {twin.when: True}
    return method, {}


def http_call(
    method: MethodDescriptor, request: Message, binding: Any = None
) -> tuple[str, str, Mapping[str, Any], Any]:
    """HTTP method, path, query and JSON body (`None`: no body) of a call, as its `google.api.http` rule has them, or
    one of the rule's additional bindings."""
    shown, asking = documented(method)
    rule = binding or shown.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    fields = MessageToDict(request, preserving_proto_field_name=True, use_integers_for_enums=True)
    fields.update(asking)
    path = _VARIABLE.sub(lambda found: quote(str(fields.pop(found[1], _ANYTHING)), safe=""), getattr(rule, verb))
    if rule.body == "*":
        return verb.upper(), path, {}, fields
    body = fields.pop(rule.body, {}) if rule.body else None
    return verb.upper(), path, fields, body


def raw_body(method: MethodDescriptor, request: Any) -> bytes | None:
    """The body of a call whose rule says that it is an `HttpBody`; `None` where it is JSON or nothing."""
    body = method.input_type.fields_by_name.get(method.GetOptions().Extensions[annotations_pb2.http].body)
    if body is None or body.message_type is None or body.message_type.full_name != HTTP_BODY:
        return None
    data: bytes = getattr(request, body.name).data
    return data


def asked_field(method: MethodDescriptor, name: str) -> str:
    """The path in the request message of what the documented route calls `name`: a body that is one field of the
    message is spelt without that field."""
    body = documented(method)[0].GetOptions().Extensions[annotations_pb2.http].body
    if body in ("", "*") or name.partition(".")[0] in method.input_type.fields_by_name:
        return name
    return f"{body}.{name}" if name else body


def reply_of(method: MethodDescriptor, value: Any) -> Message:
    """The reply that a JSON value stands for."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return message_of(method.output_type, {rule.response_body: value} if rule.response_body else value)


def message_of(descriptor: Descriptor, value: Any) -> Message:
    """The message that a JSON object stands for, its documented enum words included."""
    return ParseDict(_spelt_out(value, descriptor), GetMessageClass(descriptor)())


def _spelt_out(value: Any, descriptor: Descriptor) -> Any:
    if not isinstance(value, dict) or descriptor.full_name.startswith(_OWN_JSON):
        return value
    fields = {**descriptor.fields_by_name, **descriptor.fields_by_camelcase_name}
    return {name: _field_value(each, fields[name]) for name, each in value.items()}


def _field_value(value: Any, field: FieldDescriptor) -> Any:
    if isinstance(value, list):
        return [_field_value(each, field) for each in value]
    if field.enum_type is not None and isinstance(value, str):
        return _enum_number(value, field.enum_type)
    return value if field.message_type is None else _spelt_out(value, field.message_type)


def _enum_number(word: str, enum: EnumDescriptor) -> int:
    for value in enum.values:
        options = value.GetOptions()
        if options.HasExtension(options_pb2.word) and options.Extensions[options_pb2.word] == word:
            return int(value.number)
    return int(enum.values_by_name[word].number)
