"""What the source generators know of a field: its names, shape and presence, and what is written when it is unset."""

import keyword
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto

from gateway.core.codec.enums import NULL_VALUE
from gateway.core.dialect import Dialect, FieldNames, Int64Form, UnsetForm, unset_form_of

_VALUE = "google.protobuf.Value"
_MESSAGES = {FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP}


@dataclass(frozen=True, slots=True)
class Form:
    """The part of a dialect that a codec is compiled for; dialects that differ in the rest share their codecs."""

    names: FieldNames
    int64: Int64Form
    unset: UnsetForm
    ignore_unknown: bool
    takes_exceptions: bool

    @classmethod
    def of(cls, dialect: Dialect) -> "Form":
        """Take what the codec needs from a dialect."""
        return cls(
            dialect.field_names,
            dialect.int64_form,
            dialect.unset_form,
            dialect.ignore_unknown_fields,
            dialect.takes_exceptions,
        )


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, seen from a form.

    `key` is its name in replies and the one looked up first in bodies; `other_key` is the other spelling, which bodies
    may use as well. `oneof` is the name of the real oneof it is a member of, if any.
    """

    descriptor: FieldDescriptor
    key: str
    other_key: str
    oneof: str | None
    unset: UnsetForm

    @property
    def name(self) -> str:
        """The proto name, by which upb knows the field."""
        return self.descriptor.name

    @property
    def attribute(self) -> str:
        """The expression that reads the field of `m`; a keyword is no attribute name in source."""
        return f"getattr(m, {self.name!r})" if keyword.iskeyword(self.name) else f"m.{self.name}"

    def assign(self, value: str) -> str:
        """Give the statement that sets the field of `m`."""
        if keyword.iskeyword(self.name):
            return f"setattr(m, {self.name!r}, {value})"
        return f"m.{self.name} = {value}"

    @property
    def message(self) -> Descriptor:
        """The type of a message field, the entry's of a map."""
        message = self.descriptor.message_type
        if message is None:
            raise ValueError(f"{self.descriptor.full_name} is no message field")
        return message

    @property
    def map_key(self) -> FieldDescriptor:
        """The key of a map's entry."""
        return self.message.fields_by_name["key"]

    @property
    def map_value(self) -> FieldDescriptor:
        """The value of a map's entry."""
        return self.message.fields_by_name["value"]

    @property
    def is_map(self) -> bool:
        """Whether it is a map (which descriptors have as repeated entries)."""
        return self.is_message and bool(self.message.GetOptions().map_entry)

    @property
    def is_repeated(self) -> bool:
        """Whether it is a list or a map."""
        return self.descriptor.is_repeated

    @property
    def is_message(self) -> bool:
        """Whether a value of it is a message."""
        return self.descriptor.type in _MESSAGES

    @property
    def takes_null(self) -> bool:
        """Whether JSON's null is a value of it rather than its absence."""
        if self.is_repeated:
            return False
        if self.is_message:
            return self.message.full_name == _VALUE
        enum = self.descriptor.enum_type
        return enum is not None and enum.full_name == NULL_VALUE

    @property
    def writes_always(self) -> bool:
        """Whether a field without presence is written when it has no value."""
        return self.unset is not UnsetForm.OMITTED

    @property
    def writes_null(self) -> bool:
        """Whether a field with presence is written as null when it is unset; a member of a oneof never is."""
        return self.unset is UnsetForm.NULL and self.oneof is None


def fields_of(message: Descriptor, form: Form) -> list[Field]:
    """Give the fields of a message in the order of their numbers, which is the order of replies."""
    proto = DescriptorProto()
    message.CopyToProto(proto)
    optional = {field.name for field in proto.field if field.proto3_optional}
    fields = sorted(message.fields, key=lambda field: field.number)
    return [field_of(field, form, is_optional=field.name in optional) for field in fields]


def field_of(field: FieldDescriptor, form: Form, *, is_optional: bool) -> Field:
    """Describe one field; `is_optional` says that its oneof is the synthetic one of an `optional` field."""
    keys = (field.json_name, field.name)
    key, other_key = keys if form.names is FieldNames.CAMEL else keys[::-1]
    oneof = field.containing_oneof
    real_oneof = oneof.name if oneof is not None and not is_optional else None
    own_unset = unset_form_of(field) if form.takes_exceptions else None
    return Field(field, key, other_key, real_oneof, own_unset or form.unset)


def spellings(fields: list[Field]) -> dict[str, str]:
    """Give the key of every accepted spelling; a field's own key wins over another field's other spelling."""
    accepted = {field.other_key: field.key for field in fields}
    return accepted | {field.key: field.key for field in fields}
