"""Which members the JSON object of a message has: always, sometimes as null, or at most one of several."""

from collections.abc import Collection, Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from gateway.core.dialect import UnsetForm
from gateway.core.openapi.constraints import constraint_of
from gateway.core.openapi.wire import Schema, Wire


def message_of(described: FieldDescriptor) -> Descriptor:
    """Give the message type of a field that has one."""
    if described.message_type is None:
        raise TypeError(f"{described.full_name} is no message field")
    return described.message_type


def enum_of(described: FieldDescriptor) -> EnumDescriptor:
    """Give the enum type of a field that has one."""
    if described.enum_type is None:
        raise TypeError(f"{described.full_name} is no enum field")
    return described.enum_type


def is_message(described: FieldDescriptor) -> bool:
    """Say whether a value of the field is a message."""
    return described.message_type is not None


def is_map(described: FieldDescriptor) -> bool:
    """Say whether the field is a map."""
    entry = described.message_type
    return entry is not None and bool(entry.GetOptions().map_entry)


def real_oneofs(message: Descriptor) -> Iterator[list[str]]:
    """Give the proto names of the members of each `oneof` of a message, without those that `optional` makes."""
    proto = DescriptorProto()
    message.CopyToProto(proto)
    for index in range(len(proto.oneof_decl)):
        members = [each for each in proto.field if each.HasField("oneof_index") and each.oneof_index == index]
        if not all(each.proto3_optional for each in members):
            yield [each.name for each in members]


def event_members(message: Descriptor) -> list[FieldDescriptor]:
    """Give the members of the `oneof` whose members are the events of a stream: the first one, by field numbers."""
    for each in sorted(message.fields, key=lambda each: each.number):
        group = next((group for group in real_oneofs(message) if each.name in group), None)
        if group is not None:
            return [message.fields_by_name[name] for name in group]
    return []


def in_real_oneof(described: FieldDescriptor) -> bool:
    """Say whether the field is a member of a `oneof` that the proto declares."""
    if described.containing_oneof is None or described.containing_type is None:
        return False
    return any(described.name in group for group in real_oneofs(described.containing_type))


def is_always_there(described: FieldDescriptor, wire: Wire) -> bool:
    """Say whether every object has the member.

    A reply does where the dialect writes fields without a value, a request where the service refuses it without.
    """
    if described.is_required:
        return True
    if wire.is_input:
        return constraint_of(described).refuses_zero
    if described.has_presence:
        return may_be_null(described, wire)
    return wire.unset_form(described) is not UnsetForm.OMITTED


def may_be_null(described: FieldDescriptor, wire: Wire) -> bool:
    """Say whether a reply has null for the member when it is unset; members of a real `oneof` are left out instead."""
    if wire.is_input or described.is_required or not described.has_presence:
        return False
    return wire.unset_form(described) is UnsetForm.NULL and not in_real_oneof(described)


def at_most_one(message: Descriptor, wire: Wire, bound: Collection[str]) -> Schema:
    """Give the keywords that allow at most one member of each `oneof`, of those that are not `bound` elsewhere."""
    groups = [
        [wire.name(message.fields_by_name[name]) for name in members if name not in bound]
        for members in real_oneofs(message)
    ]
    keywords = [_at_most_one(names) for names in groups if len(names) > 1]
    return keywords[0] if len(keywords) == 1 else {"allOf": keywords} if keywords else {}


def _at_most_one(names: list[str]) -> Schema:
    alone: list[Schema] = [{"required": [name]} for name in names]
    return {"oneOf": [*alone, {"not": {"anyOf": alone}}]}
