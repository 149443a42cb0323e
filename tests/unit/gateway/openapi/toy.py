"""Documents of the toy API and of the project's own, for the tests of their parts."""

import functools
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc  # type: ignore[import-untyped]

from gateway.core.openapi import build_document
from tests.support.pools import IMPORTS, ROOT

HERE = Path(__file__).parent
OWN_DESCRIPTORS = ROOT / "generated" / "descriptors.binpb"


@functools.cache
def toy_files() -> FileDescriptorSet:
    """Compile the toy API with its comments."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "toy.binpb"
        paths = [f"-I{each}" for each in (HERE, *IMPORTS)]
        flags = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        assert protoc.main(["protoc", *paths, *flags, "toy.proto"]) == 0
        return FileDescriptorSet.FromString(out.read_bytes())


@functools.cache
def own_files() -> FileDescriptorSet:
    """Give the project's own protos."""
    return FileDescriptorSet.FromString(OWN_DESCRIPTORS.read_bytes())


def pool_of(files: FileDescriptorSet) -> DescriptorPool:
    """Give a pool of its own with the files."""
    pool = DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@functools.cache
def toy_pool() -> DescriptorPool:
    """Give the pool of the toy API."""
    return pool_of(toy_files())


def services_of(files: FileDescriptorSet) -> list[ServiceDescriptor]:
    """Give the services of the files, in the order of declaration."""
    pool = pool_of(files)
    return [pool.FindServiceByName(f"{file.package}.{each.name}") for file in files.file for each in file.service]


@functools.cache
def toy_document() -> dict[str, Any]:
    """Give the document of the toy API."""
    return build_document(services_of(toy_files()), files=toy_files())


@functools.cache
def own_document() -> dict[str, Any]:
    """Give the document of the project's own API."""
    return build_document(services_of(own_files()), files=own_files())


def toy_schema(name: str) -> dict[str, Any]:
    """Give a schema of the toy document by its name without the package."""
    schema: dict[str, Any] = toy_document()["components"]["schemas"][f"toy.v1.{name}"]
    return schema
