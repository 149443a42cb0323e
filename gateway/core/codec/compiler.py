"""Compiles the readers and writers of message types for one pool and one form, each with all types below it, once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.codec import depth, elements, free_form, presence, retry, texts, times
from gateway.core.codec.anys import AnyTypes, Functions, any_reader, any_writer
from gateway.core.codec.elements import Element, element_of
from gateway.core.codec.errors import JsonError
from gateway.core.codec.fields import Field, Form, fields_of, spellings
from gateway.core.codec.masks import mask_reader, mask_writer
from gateway.core.codec.readers import Reader
from gateway.core.codec.scope import Scope
from gateway.core.codec.writers import Writer
from gateway.core.dialect import UnsetForm

_PACKAGE = "google.protobuf."
_WRAPPERS = {
    _PACKAGE + kind + "Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
_CONSTANTS: dict[str, object] = elements.CONSTANTS | {
    "JsonError": JsonError,
    "MAX_DEPTH": depth.MAX_DEPTH,
    "too_deep": depth.too_deep,
    "has": presence.has,
    "which": presence.which,
    "set_in_parent": presence.set_in_parent,
    "not_an_object": retry.not_an_object,
    "not_an_array": retry.not_an_array,
    "second_member": retry.second_member,
    "refused": retry.refused,
    "ALL_INT": frozenset({int}),
    "ALL_FLOAT": frozenset({float}),
    "ALL_BOOL": frozenset({bool}),
}


class Compiler:
    """Gives the pair of functions of a message type, compiled when it is first asked for and kept."""

    def __init__(self, pool: DescriptorPool, form: Form) -> None:
        self._form = form
        self._scope = Scope(_CONSTANTS)
        self._known: set[str] = set()
        self._waiting: list[Descriptor] = []
        self._writer = Writer(self.element, self._writer_name)
        self._reader = Reader(self._scope, self.element, self._reader_name)
        any_types = AnyTypes(pool, self.functions)
        self._own = {
            _PACKAGE + "Timestamp": (times.timestamp_text, times.read_timestamp),
            _PACKAGE + "Duration": (times.duration_text, times.read_duration),
            _PACKAGE + "FieldMask": (mask_writer(form.names), mask_reader(form.names)),
            _PACKAGE + "Struct": (free_form.struct_tree, free_form.read_struct),
            _PACKAGE + "Value": (free_form.value_tree, free_form.read_value),
            _PACKAGE + "ListValue": (free_form.list_tree, free_form.read_list),
            _PACKAGE + "Any": (any_writer(any_types), any_reader(any_types)),
        }

    def functions(self, message: Descriptor) -> Functions:
        """Give the writer and the reader of a message type."""
        writer, reader = self._writer_name(message), self._reader_name(message)
        self._flush()
        names = self._scope.names
        is_object = message.full_name not in self._own and message.full_name not in _WRAPPERS
        return Functions(names[writer], names[reader], is_object)

    def element(self, field: FieldDescriptor) -> Element:
        """Describe one value of a scalar field."""
        form = self._form
        return element_of(
            field,
            self._scope,
            int64_form=form.int64,
            ignore_unknown=form.ignore_unknown,
            by_proto_name=not form.takes_exceptions,
        )

    def fields(self, message: Descriptor) -> list[Field]:
        """Describe the fields of a message."""
        return fields_of(message, self._form)

    def single_writer(self, field: Field) -> Callable[[Any], Any]:
        """Compile the function that gives one field of a message; unset, the default, or null where it has presence."""
        alone = replace(field, unset=UnsetForm.NULL)
        lines = self._writer.alone("write_alone", alone)
        self._flush()
        self._scope.run(lines, field.descriptor.full_name)
        return cast("Callable[[Any], Any]", self._scope.names.pop("write_alone"))

    def text_setter(self, field: Field) -> Callable[[Any, Sequence[str]], None]:
        """Give the function that sets a field from texts."""
        if field.is_map:
            return texts.refuse_text
        if not field.is_message:
            return texts.set_scalars(field, self._scalar_from_text(field.descriptor))
        message = field.message
        if message.full_name in _WRAPPERS:
            read_text = self._scalar_from_text(message.fields_by_name["value"])
            return texts.set_messages(field, lambda wrapper, text: setattr(wrapper, "value", read_text(text)))
        if texts.is_text_message(message.full_name):
            read = self.functions(message).read
            return texts.set_messages(field, lambda inner, text: read(inner, text, 1))
        return texts.refuse_text

    def _scalar_from_text(self, field: FieldDescriptor) -> Callable[[str], Any]:
        element = self.element(field)
        words = self._scope.names[element.words] if element.words is not None else None
        return texts.scalar_from_text(field, element, words)

    def _flush(self) -> None:
        while self._waiting:
            self._compile(self._waiting.pop())

    def _writer_name(self, message: Descriptor) -> str:
        self._need(message)
        return self._scope.name("write", message)

    def _reader_name(self, message: Descriptor) -> str:
        self._need(message)
        return self._scope.name("read", message)

    def _need(self, message: Descriptor) -> None:
        if message.full_name not in self._known:
            self._known.add(message.full_name)
            self._waiting.append(message)

    def _compile(self, message: Descriptor) -> None:
        write, read = self._scope.name("write", message), self._scope.name("read", message)
        if message.full_name in self._own:
            own_write, own_read = self._own[message.full_name]
            self._scope.define(write, own_write)
            self._scope.define(read, own_read)
            return
        if message.full_name in _WRAPPERS:
            value = message.fields_by_name["value"]
            lines = [*self._writer.value(write, value), *self._reader.value(read, value)]
        else:
            lines = self._of_fields(message, write, read)
        self._scope.run(lines, message.full_name)

    def _of_fields(self, message: Descriptor, write: str, read: str) -> list[str]:
        fields = self.fields(message)
        rest = retry.left_over(spellings(fields), ignore_unknown=self._form.ignore_unknown)
        rest_name = self._scope.define(self._scope.name("rest", message), rest)
        retry_name = self._scope.define(self._scope.name("retry", message), self._reader.retries(fields))
        return [*self._writer.message(write, fields), *self._reader.message(read, fields, rest_name, retry_name)]
