"""The rules of the house that no linter knows."""

from pathlib import Path

import pytest
from google.api import annotations_pb2  # type: ignore[import-untyped]
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import MethodDescriptor
from parley.options.v1 import options_pb2

from server.rpc.services import DESCRIPTORS

_REPOSITORY = Path(__file__).parents[2]
_DESCRIPTORS = _REPOSITORY / "generated" / "descriptors.binpb"
_MOST_LINES = 350


def modules() -> list[Path]:
    return sorted(path for root in ("server", "gateway") for path in (_REPOSITORY / root).rglob("*.py"))


def services() -> set[str]:
    """Every service of our own packages, from the committed descriptors."""
    files = descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes()).file
    ours = [file for file in files if file.package.startswith("parley.")]
    return {f"{file.package}.{service.name}" for file in ours for service in file.service}


def methods() -> list[MethodDescriptor]:
    return [method for service in DESCRIPTORS for method in service.methods]


def stream_twins() -> set[str]:
    """Full names of the streams that are reached through the route of a unary method."""
    rules = [(method, method.GetOptions().Extensions[options_pb2.rule]) for method in methods()]
    return {
        f"{method.containing_service.full_name}.{rule.stream_twin.method}"
        for method, rule in rules
        if rule.HasField("stream_twin")
    }


def test_no_module_is_longer_than_one_job_needs() -> None:
    lines = {str(path.relative_to(_REPOSITORY)): len(path.read_text().splitlines()) for path in modules()}
    assert lines
    assert {path: count for path, count in lines.items() if count > _MOST_LINES} == {}


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_method_says_who_may_call_it_and_how_over_http(method: MethodDescriptor) -> None:
    rule = method.GetOptions().Extensions[options_pb2.rule]
    assert bool(rule.scope) != rule.public
    routed = method.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern") is not None
    assert routed != (method.full_name in stream_twins()), (
        "a route of its own, or that of the method it is the stream of"
    )


def test_every_service_of_the_protos_is_served() -> None:
    assert {descriptor.full_name for descriptor in DESCRIPTORS} == services()


def test_every_package_says_what_it_is_for() -> None:
    assert [str(path) for path in modules() if path.name == "__init__.py" and not path.read_text().strip()] == []
