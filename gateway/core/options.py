"""Reads custom options of descriptors by their full name, out of the pool that the descriptors come from.

`descriptor.GetOptions()` answers with a class of the default pool, whatever pool the descriptor is of; extensions that
only the descriptor's own pool knows are unknown fields there. So the options are serialised and parsed again with the
own pool's class. A pool that does not contain an extension declares nothing: its options read as absent.
"""

from typing import Any

from google.protobuf.descriptor import (
    EnumValueDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

HTTP_OPTION = "google.api.http"

Declarer = FileDescriptor | ServiceDescriptor | MethodDescriptor | FieldDescriptor | EnumValueDescriptor


def option(descriptor: Declarer, name: str) -> Any:
    """Give what `descriptor` declares for the option with the full name `name`, or None when it declares nothing.

    The value is a message of the pool's own class for a message option, else a plain Python value. A pool without the
    extension, or with another extension of that name (for another kind of descriptor), declares nothing.
    """
    generic = descriptor.GetOptions()
    raw = generic.SerializeToString()
    if not raw:
        return None
    try:
        extension = pool_of(descriptor).FindExtensionByName(name)
    except KeyError:
        return None
    extended = extension.containing_type
    if extended is None or extended.full_name != generic.DESCRIPTOR.full_name:
        return None
    own: Any = GetMessageClass(extended).FromString(raw)
    return own.Extensions[extension] if own.HasExtension(extension) else None


def http_rule(method: MethodDescriptor) -> Any:
    """Give the `google.api.HttpRule` message of a method, or None when it has no HTTP binding.

    It is `Any` because its class is made from the pool at run time; the fields are those of `google/api/http.proto`.
    """
    return option(method, HTTP_OPTION)


def pool_of(descriptor: Declarer) -> DescriptorPool:
    """Give the pool that a descriptor comes from."""
    holder: Any = descriptor
    match descriptor:
        case FileDescriptor():
            return descriptor.pool
        case MethodDescriptor():
            holder = descriptor.containing_service
        case EnumValueDescriptor():
            holder = descriptor.type
    pool: DescriptorPool = holder.file.pool
    return pool
