"""`google.protobuf.Any`: a message of any type of the pool, with its type beside its members."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from gateway.core.codec.depth import MAX_DEPTH, too_deep
from gateway.core.codec.errors import JsonError, excerpt, kind
from gateway.core.codec.presence import set_in_parent

_TYPE = "@type"
_VALUE = "value"


class Functions(NamedTuple):
    """The compiled pair of a message type; the reader gives the number of object keys that it has seen."""

    write: Callable[[Any], Any]
    read: Callable[[Any, Any, int], int]
    is_object: bool  # whether its JSON is an object of its fields, not a form of its own such as a Timestamp's text


FunctionsOf = Callable[[Descriptor], Functions]


class AnyTypes:
    """The types that an Any may hold, by the name in their URL: those of the pool, each looked up once."""

    def __init__(self, pool: DescriptorPool, functions_of: FunctionsOf) -> None:
        self._pool = pool
        self._functions_of = functions_of
        self._known: dict[str, tuple[Any, Functions]] = {}

    def find(self, url: str) -> tuple[Any, Functions]:
        """Give the class and the functions of the type that a URL names; JsonError when the pool has none."""
        prefix, _, name = url.rpartition("/")
        found = self._known.get(name) if prefix else None
        if found is None:
            try:
                descriptor = self._pool.FindMessageTypeByName(name if prefix else "")
            except KeyError:
                raise JsonError(f"names no type known here: {excerpt(url)}") from None
            found = self._known[name] = GetMessageClass(descriptor), self._functions_of(descriptor)
        return found


def any_writer(types: AnyTypes) -> Callable[[Any], object]:
    """Give the function that writes an Any; a type that the pool lacks, or bytes that are not of it, is a JsonError."""

    def write(message: Any) -> object:
        url = message.type_url
        if not url:
            if message.value:
                raise JsonError("is an Any with a value but without a type")
            return {}
        make, functions = types.find(url)
        try:
            inner = make.FromString(message.value)
        except DecodeError:
            raise JsonError(f"is an Any whose bytes are no {make.DESCRIPTOR.full_name}") from None
        tree = functions.write(inner)
        return {_TYPE: url, **tree} if functions.is_object else {_TYPE: url, _VALUE: tree}

    return write


def any_reader(types: AnyTypes) -> Callable[[Any, object, int], int]:
    """Give the function that sets an Any from `{"@type": …, members}`; `{}` is an Any without a type."""

    def read(message: Any, value: object, depth: int) -> int:
        if type(value) is not dict:
            raise JsonError(f"must be an object, not {kind(value)}")
        if depth > MAX_DEPTH:
            raise too_deep()
        if not value:
            set_in_parent(message)
            return 0
        members = value.copy()
        url = members.pop(_TYPE, None)
        if type(url) is not str:
            raise JsonError("must be given, as the name of a message type such as type.googleapis.com/a.B", _TYPE)
        try:
            make, functions = types.find(url)
        except JsonError as error:
            raise error.under(_TYPE) from None
        inner = make()
        read_members = functions.read if functions.is_object else _alone(functions)
        keys = 1 + read_members(inner, members, depth)
        message.type_url = url
        message.value = inner.SerializePartialToString(deterministic=True)
        return keys

    return read


def _alone(functions: Functions) -> Callable[[Any, dict[str, object], int], int]:
    """Give the reader of the members of an Any whose type has a JSON form of its own, which stands under `value`."""

    def read(inner: Any, members: dict[str, object], depth: int) -> int:
        for key in members:
            if key != _VALUE:
                raise JsonError('is no member of this type; its JSON form stands under "value"').under(key)
        if _VALUE not in members:
            raise JsonError("must be given for this type", _VALUE)
        try:
            return 1 + functions.read(inner, members[_VALUE], depth + 1)
        except JsonError as error:
            raise error.under(_VALUE) from None

    return read
