"""The services of the committed descriptor set: what there is, whatever the server happens to register."""

from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default

_FILE: Final = Path(__file__).parents[3] / "generated" / "descriptors.binpb"
_OWN: Final = "parley."


def methods() -> dict[str, MethodDescriptor]:
    """Every method of the project's own packages, by full name (`parley.v1.ThreadService/GetThread`)."""
    files = descriptor_pb2.FileDescriptorSet.FromString(_FILE.read_bytes()).file
    return {
        f"{file.package}.{service.name}/{method.name}": _own(f"{file.package}.{service.name}", method.name)
        for file in files
        if file.package.startswith(_OWN)
        for service in file.service
        for method in service.method
    }


def _own(service: str, name: str) -> MethodDescriptor:
    """The method in the pool that the generated classes are of; an unknown service means that nobody imports it."""
    return Default().FindServiceByName(service).methods_by_name[name]
