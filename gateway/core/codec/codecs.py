"""The codecs that the rest of the gateway uses: messages and single fields as JSON documents, in a dialect."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from orjson import JSONDecodeError, JSONEncodeError, dumps, loads

from gateway.core.codec.anys import Functions
from gateway.core.codec.compiler import Compiler
from gateway.core.codec.document import not_readable, not_writable, refuse_repeated_keys
from gateway.core.codec.enums import refuse_clashes
from gateway.core.codec.errors import JsonError, spelt
from gateway.core.codec.fields import Form
from gateway.core.dialect import Dialect


class Codecs:
    """The codecs of one descriptor pool, each made once; asking again costs a dict look-up.

    What a codec needs is compiled when it is first used, some milliseconds a type: of a service's methods a process may
    never see most, and would start a quarter of a second later for them. What can be wrong with their descriptors is
    told at once, by a `ValueError`.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._compilers: dict[Form, Compiler] = {}
        self._messages: dict[tuple[str, Form], MessageCodec] = {}
        self._fields: dict[tuple[str, Form], FieldCodec] = {}
        self._checked: set[str] = set()

    def message(self, descriptor: Descriptor, dialect: Dialect) -> "MessageCodec":
        """Give the codec of a message type of the pool, in a dialect."""
        key = descriptor.full_name, Form.of(dialect)
        codec = self._messages.get(key)
        if codec is None:
            refuse_clashes(descriptor, self._checked)
            codec = self._messages[key] = MessageCodec(descriptor, self._compiler(key[1]))
        return codec

    def field(self, field: FieldDescriptor, dialect: Dialect) -> "FieldCodec":
        """Give the codec of one field of a message type of the pool, in a dialect."""
        key = field.full_name, Form.of(dialect)
        codec = self._fields.get(key)
        if codec is None:
            message = field.containing_type
            if message is None:
                raise ValueError(f"{field.full_name} is no field of a message")
            refuse_clashes(message, self._checked)
            codec = self._fields[key] = FieldCodec(field.name, message, self._compiler(key[1]))
        return codec

    def _compiler(self, form: Form) -> Compiler:
        return self._compilers.setdefault(form, Compiler(self._pool, form))


class MessageCodec:
    """One message type in one dialect: JSON documents to messages and back.

    Every method raises `JsonError` for what has no form on the other side, and nothing else.
    """

    def __init__(self, descriptor: Descriptor, compiler: Compiler) -> None:
        self._descriptor = descriptor
        self._compiler = compiler
        self._class: Any = GetMessageClass(descriptor)
        # Until the first document; then the compiled functions stand here themselves, for every call counts.
        self._write: Callable[[Any], Any] = lambda message: self._compiled().write(message)
        self._read: Callable[[Any, Any, int], int] = lambda *document: self._compiled().read(*document)

    def _compiled(self) -> Functions:
        functions = self._compiler.functions(self._descriptor)
        self._write, self._read = functions.write, functions.read
        return functions

    def new(self) -> Message:
        """Give an empty message."""
        message: Message = self._class()
        return message

    def encode(self, message: Message) -> bytes:
        """Write a message as compact UTF-8 JSON."""
        try:
            return dumps(self._write(message))
        except (RecursionError, UnicodeDecodeError, JSONEncodeError) as error:
            raise not_writable(error) from None

    def encode_value(self, message: Message) -> Any:
        """Write a message as the tree (dicts, lists, scalars) of which `encode` gives the bytes."""
        try:
            return self._write(message)
        except (RecursionError, UnicodeDecodeError) as error:
            raise not_writable(error) from None

    def decode(self, body: bytes) -> Message:
        """Read a document into a new message."""
        # As decode_into, whose call would be a noticeable part of a small message.
        message: Message = self._class()
        try:
            keys = self._read(message, loads(body), 1)
            if (colons := body.count(b":")) != keys:
                refuse_repeated_keys(body, keys, colons)
        except (JSONDecodeError, RecursionError) as error:
            raise not_readable(body, error) from None
        return message

    def decode_into(self, message: Message, body: bytes) -> None:
        """Read a document into a message: fields set already are replaced, lists appended to, messages merged.

        After a JsonError the message holds a part of the document.
        """
        try:
            keys = self._read(message, loads(body), 1)
            if (colons := body.count(b":")) != keys:
                refuse_repeated_keys(body, keys, colons)
        except (JSONDecodeError, RecursionError) as error:
            raise not_readable(body, error) from None


class FieldCodec:
    """One field of a message as a document of its own (`body: "field"`, `response_body`), or set from texts.

    Paths of errors are within that document: "" for the value itself, `[3].x` in a list.
    """

    def __init__(self, name: str, message: Descriptor, compiler: Compiler) -> None:
        field = next(each for each in compiler.fields(message) if each.name == name)
        self._key = field.key
        self._field = field
        self._message = message
        self._compiler = compiler

    @cached_property
    def _write(self) -> Callable[[Any], Any]:
        return self._compiler.single_writer(self._field)

    @cached_property
    def _read(self) -> Callable[[Any, Any, int], int]:
        return self._compiler.functions(self._message).read

    @cached_property
    def _set_text(self) -> Callable[[Any, Sequence[str]], None]:
        return self._compiler.text_setter(self._field)

    def encode(self, message: Message) -> bytes:
        """Write the field's value: null when it has presence and is unset, else its default."""
        try:
            return dumps(self._write(message))
        except (RecursionError, UnicodeDecodeError, JSONEncodeError) as error:
            raise not_writable(error) from None

    def encode_value(self, message: Message) -> Any:
        """Write the field's value as a tree."""
        try:
            return self._write(message)
        except (RecursionError, UnicodeDecodeError) as error:
            raise not_writable(error) from None

    def decode_into(self, message: Message, body: bytes) -> None:
        """Set the field from a document; null leaves it unset, unless null is a value of it."""
        try:
            keys = self._read_value(message, loads(body))
            if (colons := body.count(b":")) != keys:
                refuse_repeated_keys(body, keys, colons)
        except (JSONDecodeError, RecursionError) as error:
            raise not_readable(body, error) from None

    def _read_value(self, message: Message, tree: object) -> int:
        try:
            # The value is read as a member of its message, which itself is no level of the document.
            return self._read(message, {self._key: tree}, 0) - 1
        except JsonError as error:
            error.field = error.field.removeprefix(spelt(self._key)).removeprefix(".")
            raise

    def set_text(self, message: Message, texts: Sequence[str]) -> None:
        """Set the field from the texts of a path variable or query parameter; several only for a repeated field."""
        self._set_text(message, texts)
