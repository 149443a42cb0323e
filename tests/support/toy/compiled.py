"""Compiles the toy's proto once a process, with the same compiler that the project's own code comes from."""

import atexit
import functools
import importlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from grpc_tools import protoc  # type: ignore[import-untyped]

_HERE = Path(__file__).parent
_PROTOS = _HERE.parents[2] / "protos"
_INCLUDES = (_HERE, _PROTOS, _PROTOS / "vendor", Path(protoc.__file__).parent / "_proto")
SERVICES = ("toy.v1.Forms", "toy.v1.Calls", "toy.v1.Quirks")


class Toy(NamedTuple):
    """The compiled toy: message module, service module, and a descriptor set with all imports."""

    pb2: Any
    grpc: Any
    descriptors: Path


@functools.cache
def compiled() -> Toy:
    """Give the toy; its messages are in the default pool."""
    out = Path(tempfile.mkdtemp(prefix="toy-"))
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    descriptors = out / "toy.binpb"
    compile_set(descriptors, "toy.proto", "--python_out", str(out), "--grpc_python_out", str(out))
    sys.path.insert(0, str(out))
    try:
        importlib.import_module("google.api.httpbody_pb2")
        importlib.import_module("parley.options.v1.options_pb2")
        return Toy(importlib.import_module("toy_pb2"), importlib.import_module("toy_pb2_grpc"), descriptors)
    finally:
        sys.path.remove(str(out))


def compile_set(target: Path, source: str, *more: str) -> None:
    """Compile `source` (a file of the include path) into a descriptor set; raises for what protoc refuses."""
    includes = [f"-I{path}" for path in _INCLUDES]
    arguments = ["protoc", *includes, f"-I{target.parent}", "--include_imports", "-o", str(target), *more, source]
    if protoc.main(arguments) != 0:
        raise ValueError(f"protoc refuses {source}")
