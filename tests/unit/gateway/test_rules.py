"""What is refused at start, with a sentence that names the method; and the route table of the toy."""

import json
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from gateway.bootstrap import load_descriptors
from gateway.core.http_rule import RuleError
from gateway.core.route import RouteCompiler, UnknownService, routed
from tests.support.toy import SERVICES, compiled, golden
from tests.support.toy.compiled import compile_set
from tests.support.toy.route_table import route_table

PROTO = """
syntax = "proto3";
package bad.v1;
import "google/api/annotations.proto";
import "parley/options/v1/options.proto";
message M {
  string text = 1; repeated string list = 2; M inner = 3; map<string, string> map = 4;
  bool flag = 5; repeated bool flags = 6;
}
message N { bool flag = 1; }
service S { rpc Do(%s) returns (%s) { %s } %s }
"""
GET = "option (google.api.http) = {get: '%s'};"


def refusal(tmp_path: Path, options: str, *, request: str = "M", reply: str = "M", more: str = "") -> str:
    """Compile a service with one method and give what the gateway says against it."""
    (tmp_path / "bad.proto").write_text(PROTO % (request, reply, options, more))
    compile_set(tmp_path / "bad.binpb", "bad.proto")
    pool, services, _ = load_descriptors(tmp_path / "bad.binpb")
    with pytest.raises(RuleError) as caught:
        routed(RouteCompiler(pool).routes(services))
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (GET % "no-slash", "must begin with a slash"),
        (GET % "/a/{b", "unbalanced"),
        (GET % "/a/{nothing}", "unknown field nothing"),
        (GET % "/a/{list}", "no single value"),
        (GET % "/a/{inner}", "no single value"),
        (GET % "/a/{map}", "no single value"),
        (GET % "/a/{list.x}", "unknown field list.x"),
        ("option (google.api.http) = {body: '*'};", "no method and path"),
        ("option (google.api.http) = {post: '/a' body: 'nothing'};", "no field 'nothing'"),
        ("option (google.api.http) = {post: '/a' response_body: 'nothing'};", "no field 'nothing'"),
        ("option (google.api.http) = {custom {kind: 'get it' path: '/a'}};", "no HTTP method"),
        (
            "option (google.api.http) = {get: '/a' additional_bindings {get: '/b' additional_bindings {get: '/c'}}};",
            "additional_bindings may not have additional_bindings",
        ),
        ("option (google.api.http) = {get: '/a' additional_bindings {get: '/a'}};", "match the same requests"),
        ("option (parley.options.v1.method_dialect) = {errors: {body: '{'}};", "is no JSON"),
        (
            "option (parley.options.v1.method_dialect) = {errors: {body: '\"$nothing\"'}};",
            "unknown placeholder $nothing",
        ),
    ],
)
def test_bad_rules_are_refused_at_start(tmp_path: Path, options: str, why: str) -> None:
    said = refusal(tmp_path, options)
    assert why in said
    assert said.startswith("bad.v1.S.Do: ")


@pytest.mark.parametrize("options", [GET % "/a", "option (google.api.http) = {put: '/a' body: 'inner'};"])
def test_http_rules_on_client_streams_without_raw_bodies_are_refused_at_start(tmp_path: Path, options: str) -> None:
    assert "client stream" in refusal(tmp_path, options, request="stream M")


def test_http_rules_on_streams_both_ways_are_refused_at_start(tmp_path: Path) -> None:
    assert "both ways" in refusal(tmp_path, GET % "/a", request="stream M", reply="stream M")


def test_response_bodies_of_streams_are_refused_at_start(tmp_path: Path) -> None:
    rule = "option (google.api.http) = {get: '/a' response_body: 'text'};"
    assert "cannot have a response_body" in refusal(tmp_path, rule, reply="stream M")


TWIN = GET % "/a" + " option (parley.options.v1.rule) = {stream_twin: {method: '%s' when: '%s'}};"


@pytest.mark.parametrize(
    ("method", "when", "why"),
    [
        ("Nothing", "flag", "is a server stream of its service"),
        ("Do", "flag", "is a server stream of its service"),
        ("Collect", "flag", "is a server stream of its service"),
        ("Other", "flag", "takes another request"),
        ("Flow", "text", "'text', which asks for its stream_twin, is no bool"),
        ("Flow", "flags", "'flags', which asks"),
        ("Flow", "nothing", "'nothing', which asks"),
    ],
)
def test_twins_that_cannot_share_a_route_are_refused_at_start(tmp_path: Path, method: str, when: str, why: str) -> None:
    more = "rpc Flow(M) returns (stream M); rpc Other(N) returns (stream M); rpc Collect(stream M) returns (stream M);"
    assert why in refusal(tmp_path, TWIN % (method, when), more=more)


def test_a_stream_has_no_twin(tmp_path: Path) -> None:
    said = refusal(tmp_path, TWIN % ("Flow", "flag"), reply="stream M", more="rpc Flow(M) returns (stream M);")
    assert "of a unary method" in said


def test_duplicates_across_methods_are_refused_at_start(tmp_path: Path) -> None:
    more = "rpc Again(M) returns (M) { option (google.api.http) = {get: '/a/*'}; }"
    assert "match the same requests" in refusal(tmp_path, GET % "/a/{text}", more=more)


def test_an_unknown_service_is_refused_at_start() -> None:
    compiled()
    with pytest.raises(UnknownService, match=r"no service 'toy\.v1\.Nothing'"):
        RouteCompiler(descriptor_pool.Default()).routes(["toy.v1.Nothing"])


def test_the_route_table_is_the_golden_one() -> None:
    """A change of it must be deliberate: `python -m tests.support.toy.golden` writes the new one."""
    assert golden.table() == json.loads(golden.FILE.read_text())


def test_a_descriptor_set_and_the_default_pool_give_the_same_routes() -> None:
    pool, services, _ = load_descriptors(compiled().descriptors)
    toy = [service for service in services if service.startswith("toy.")]
    assert set(toy) == set(SERVICES)
    here = route_table(RouteCompiler(descriptor_pool.Default()).routes(SERVICES))
    assert route_table(RouteCompiler(pool).routes(SERVICES)) == here
