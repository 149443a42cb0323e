"""Puts a gateway together from descriptors, an upstream and settings."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from gateway.config import GatewayConfig
from gateway.core.route import RouteCompiler
from gateway.edge.app import App, Observer
from gateway.edge.asgi import AsgiHandler
from gateway.edge.server import HttpServer
from gateway.edge.upstream import Upstream

__all__ = ["App", "BadDescriptors", "HttpServer", "build_app", "default_descriptors", "load_descriptors"]

_DESCRIPTORS = "descriptors.binpb"
_PACKAGE = "parley"


class BadDescriptors(ValueError):
    """A descriptor set that cannot be used; the text says why."""


def build_app(
    *,
    pool: DescriptorPool,
    services: Sequence[str],
    upstream: Upstream,
    config: GatewayConfig | None = None,
    extra: Mapping[str, AsgiHandler] | None = None,
    observer: Observer | None = None,
) -> App:
    """Make the application that serves `services` (full names) of `pool` through `upstream`.

    For an in-process upstream `pool` must be the one that the servicers' message classes come from: the default pool.
    `extra` adds pages by exact path, each an ASGI application of its own (`/metrics`); they come before all routes.
    Raises `RuleError` for a binding that cannot be served, `UnknownService` for a service that the pool does not have.
    """
    compiler = RouteCompiler(pool)
    return App(
        routes=compiler.routes(services),
        compiler=compiler,
        upstream=upstream,
        config=config or GatewayConfig(),
        extra=extra or {},
        observer=observer,
    )


def default_descriptors() -> Path | None:
    """Give the descriptor set that lies beside the generated code, or None where neither is installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        for directory in (Path(location).parent, Path(location)):
            if (directory / _DESCRIPTORS).is_file():
                return directory / _DESCRIPTORS
    return None


def load_descriptors(file: Path) -> tuple[DescriptorPool, tuple[str, ...], descriptor_pb2.FileDescriptorSet]:
    """Give a pool with the files of a serialised `FileDescriptorSet`, the full names of all its services, and the set.

    Imports may come in any order, but must all be in the set (`protoc --include_imports`, `buf build`). The types of
    `google/rpc/error_details.proto` are added where the set lacks them. Raises `BadDescriptors`, or `OSError`.
    """
    try:
        described = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    except DecodeError:
        raise BadDescriptors(f"{file} is no serialised FileDescriptorSet") from None
    files = described.file
    if not files:
        raise BadDescriptors(f"{file} holds no descriptors")
    by_name = {each.name: each for each in files}
    for needed in (error_details_pb2.DESCRIPTOR, *error_details_pb2.DESCRIPTOR.dependencies):
        if needed.name not in by_name:
            by_name[needed.name] = descriptor_pb2.FileDescriptorProto.FromString(needed.serialized_pb)
    pool = DescriptorPool()
    added: set[str] = set()
    for each in by_name.values():
        _add(each, by_name, added, pool)
    services = [f"{each.package}.{service.name}".lstrip(".") for each in files for service in each.service]
    return pool, tuple(services), described


def _add(
    file: descriptor_pb2.FileDescriptorProto,
    by_name: Mapping[str, descriptor_pb2.FileDescriptorProto],
    added: set[str],
    pool: DescriptorPool,
) -> None:
    """Add a file after those that it imports."""
    if file.name in added:
        return
    added.add(file.name)
    for dependency in file.dependency:
        if dependency not in by_name:
            raise BadDescriptors(f"{file.name} imports {dependency}, which the descriptor set does not hold")
        _add(by_name[dependency], by_name, added, pool)
    try:
        pool.Add(file)
    except TypeError as error:
        raise BadDescriptors(f"{file.name} cannot be added: {error}") from None
