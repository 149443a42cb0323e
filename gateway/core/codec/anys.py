"""`google.protobuf.Any`: a message of any type of the pool, with its type beside its members."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec.depth import MAX_DEPTH, too_deep
from gateway.core.codec.errors import JsonError, excerpt
from gateway.core.codec.presence import set_in_parent

_TYPE = "@type"
_VALUE = "value"


class Functions(NamedTuple):
    """The compiled pair of a message type; the reader gives the number of object keys that it has seen."""

    write: Callable[[Any], Any]
    read: Callable[[Any, Any, int], int]
    is_object: bool  # whether its JSON is an object of its fields, not a form of its own such as a Timestamp's text


FunctionsOf = Callable[[Descriptor], Functions]


def any_writer(pool: DescriptorPool, functions_of: FunctionsOf) -> Callable[[Any], object]:
    """Give the function that writes an Any; a type that the pool lacks, or bytes that are not of it, is a JsonError."""

    def write(message: Any) -> object:
        url = message.type_url
        if not url:
            if message.value:
                raise JsonError("is an Any with a value but without a type")
            return {}
        descriptor = _find(pool, url)
        functions = functions_of(descriptor)
        try:
            inner = GetMessageClass(descriptor).FromString(message.value)
        except DecodeError:
            raise JsonError(f"is an Any whose bytes are no {descriptor.full_name}") from None
        tree = functions.write(inner)
        return {_TYPE: url, **tree} if functions.is_object else {_TYPE: url, _VALUE: tree}

    return write


def any_reader(pool: DescriptorPool, functions_of: FunctionsOf) -> Callable[[Any, object, int], int]:
    """Give the function that sets an Any from `{"@type": …, members}`; `{}` is an Any without a type."""

    def read(message: Any, value: object, depth: int) -> int:
        if type(value) is not dict:
            raise JsonError(f"must be an object, not {excerpt(value)}")
        if depth > MAX_DEPTH:
            raise too_deep()
        if not value:
            set_in_parent(message)
            return 0
        url = value.get(_TYPE)
        if type(url) is not str:
            raise JsonError("must be given, as the name of a message type such as type.googleapis.com/a.B", _TYPE)
        try:
            descriptor = _find(pool, url)
        except JsonError as error:
            raise error.under(_TYPE) from None
        functions = functions_of(descriptor)
        inner = GetMessageClass(descriptor)()
        members = {key: member for key, member in value.items() if key != _TYPE}
        keys = 1 + (
            functions.read(inner, members, depth) if functions.is_object else _alone(functions, inner, members, depth)
        )
        message.type_url = url
        message.value = inner.SerializePartialToString(deterministic=True)
        return keys

    return read


def _alone(functions: Functions, inner: Any, members: dict[str, object], depth: int) -> int:
    for key in members:
        if key != _VALUE:
            raise JsonError('is no member of this type; its JSON form stands under "value"').under(key)
    if _VALUE not in members:
        raise JsonError("must be given for this type", _VALUE)
    try:
        return 1 + functions.read(inner, members[_VALUE], depth + 1)
    except JsonError as error:
        raise error.under(_VALUE) from None


def _find(pool: DescriptorPool, url: str) -> Descriptor:
    prefix, slash, name = url.rpartition("/")
    try:
        # A name without a prefix is no type URL; the empty name is none of the pool's.
        return pool.FindMessageTypeByName(name if prefix and slash else "")
    except KeyError:
        raise JsonError(f"names no type known here: {excerpt(url)}") from None
