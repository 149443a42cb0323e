"""What the protos declare of methods: complete, or the server does not start."""

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from parley.options.v1 import options_pb2

from server.domain.scope import SCOPES
from server.rpc.interceptors.rules import RuleMissing, rules
from server.rpc.services import DESCRIPTORS


def service(rule: options_pb2.MethodRule | None, *, client_streaming: bool = False) -> ServiceDescriptor:
    """A service of one method with that rule."""
    file = descriptor_pb2.FileDescriptorProto(name="toy.proto", package="toy")
    file.message_type.add(name="Nothing")
    method = file.service.add(name="Toy").method.add(
        name="Play",
        input_type=".toy.Nothing",
        output_type=".toy.Nothing",
        client_streaming=client_streaming,
    )
    if rule is not None:
        method.options.Extensions[options_pb2.rule].CopyFrom(rule)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName("toy.Toy")


@pytest.mark.parametrize(
    "rule",
    [
        None,
        options_pb2.MethodRule(),
        options_pb2.MethodRule(audited=True),
        options_pb2.MethodRule(scope="a", public=True),
    ],
)
def test_a_method_without_exactly_one_of_scope_and_public_is_refused(rule: options_pb2.MethodRule | None) -> None:
    with pytest.raises(RuleMissing, match="toy"):
        rules([service(rule)])


def test_a_client_stream_is_public_for_nothing_would_know_it_again() -> None:
    with pytest.raises(RuleMissing, match="client stream"):
        rules([service(options_pb2.MethodRule(scope="a"), client_streaming=True)])
    (rule,) = rules([service(options_pb2.MethodRule(public=True), client_streaming=True)])
    assert rule.scope is None


def test_a_rule_says_what_the_proto_says() -> None:
    (rule,) = rules([service(options_pb2.MethodRule(scope="a:b", timeout_seconds=7))])
    assert (rule.name, rule.path, rule.scope) == ("toy.Toy/Play", "/toy.Toy/Play", "a:b")
    assert rule.timeout_seconds == 7
    assert rule.request.DESCRIPTOR.full_name == "toy.Nothing"
    (public,) = rules([service(options_pb2.MethodRule(public=True))])
    assert (public.scope, public.timeout_seconds) == (None, None)


def test_every_method_of_the_catalogue_has_a_rule() -> None:
    found = {rule.name for rule in rules(DESCRIPTORS)}
    assert len(found) == sum(len(descriptor.methods) for descriptor in DESCRIPTORS)
    assert {rule.scope for rule in rules(DESCRIPTORS)} == {
        *("ayeto.chat", "ayeto.conversation", "conversations:read", "conversations:write", "files:read"),
        *("files:write", "keys:admin", "audit:read", "mcp:call", "usage:read", "usage:admin"),
        *("memories:read", "memories:write", "voice:create"),
        *("data:export", "data:erase", "data:admin", "webhooks:admin"),
        None,
    }
    assert {rule.scope for rule in rules(DESCRIPTORS) if rule.scope} <= SCOPES
    assert {rule.name for rule in rules(DESCRIPTORS) if rule.scope is None} == {
        "parley.v1.FileService/PutFile",
        "parley.v1.FileService/FetchFile",
    }
