"""Compiles the test protos with protoc into pools that the tests read descriptors from."""

import functools
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
TEST_PROTOS = ROOT / "tests" / "support" / "protos"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
IMPORTS = (TEST_PROTOS, ROOT / "protos", ROOT / "protos" / "vendor", WELL_KNOWN)


def file_set(*protos: str, imports: tuple[Path, ...] = IMPORTS) -> descriptor_pb2.FileDescriptorSet:
    """Compile proto files, by their import paths, with everything that they import, dependencies first."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        arguments = ["protoc", *(f"-I{each}" for each in imports), "--include_imports", f"--descriptor_set_out={out}"]
        if protoc.main([*arguments, *protos]) != 0:
            raise AssertionError(f"{protos} do not compile")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


@functools.cache
def compiled_pool(proto: str) -> DescriptorPool:
    """Give a pool of its own that holds one proto file and what it imports; the same pool for the same file."""
    pool = DescriptorPool()
    for file in file_set(proto).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool
