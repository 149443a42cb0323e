"""Dialects and rules as read from descriptors, of the default pool and of a pool made from a descriptor set."""

from collections.abc import Callable

import google.api.annotations_pb2  # type: ignore[import-untyped]
import parley.options.v1.options_pb2  # noqa: F401  (its import registers the options in the default pool)
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.dialect import (
    PLAIN,
    Credential,
    Dialect,
    ErrorFormat,
    ErrorOverride,
    FieldNames,
    Int64Form,
    Rule,
    StreamData,
    StreamEvent,
    StreamFraming,
    UnsetForm,
    dialect_of,
    is_cursor,
    rule_of,
    stream_event_of,
    unset_form_of,
)
from gateway.core.options import http_rule, option
from tests.support.pools import compiled_pool, file_set

PROTO = "dialect_test.proto"
KEY = Credential("key", "X-API-Key", "A key.")
GONE = ErrorOverride("NOT_FOUND", "", 410, "")


def own_pool() -> DescriptorPool:
    return compiled_pool(PROTO)


def default_pool() -> DescriptorPool:
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file_set(PROTO).file[-1].SerializeToString())
    return pool


both_pools = pytest.mark.parametrize("pool_of_kind", [own_pool, default_pool])
Pools = Callable[[], DescriptorPool]


@both_pools
def test_a_method_merges_over_its_service_over_its_file(pool_of_kind: Pools) -> None:
    service = pool_of_kind().FindServiceByName("parley.test.dialect.Notes")
    credentials = (KEY, Credential("token", "Authorization", ""))
    body = '{"detail": "$message"}'
    assert dialect_of(service.methods_by_name["Get"]) == Dialect(
        field_names=FieldNames.CAMEL,
        int64_form=Int64Form.NUMBER,
        unset_form=UnsetForm.NULL,
        ignore_unknown_fields=False,
        errors=ErrorFormat(body, (ErrorOverride("NOT_FOUND", "GONE", 404, "no {what}"), GONE)),
        stream_data=StreamData.MEMBER,
        authenticate_scheme="ApiKey",
        credentials=credentials,
    )
    assert dialect_of(service.methods_by_name["Bare"]) == Dialect(
        field_names=FieldNames.SNAKE,
        int64_form=Int64Form.NUMBER,
        unset_form=UnsetForm.NULL,
        ignore_unknown_fields=True,
        errors=ErrorFormat(body, (GONE,)),
        authenticate_scheme="ApiKey",
        credentials=credentials,
    )
    assert dialect_of(service.file).credentials == (KEY,)


@both_pools
def test_a_rule_is_read_and_its_absence_is_the_default(pool_of_kind: Pools) -> None:
    service = pool_of_kind().FindServiceByName("parley.test.dialect.Notes")
    assert rule_of(service.methods_by_name["Get"]) == Rule(
        scope="notes.read", audited=True, success_status=202, timeout_seconds=5, framing=StreamFraming.NDJSON
    )
    assert rule_of(service.methods_by_name["Bare"]) == Rule()


@both_pools
def test_the_http_binding_of_a_method(pool_of_kind: Pools) -> None:
    service = pool_of_kind().FindServiceByName("parley.test.dialect.Notes")
    assert http_rule(service.methods_by_name["Get"]).get == "/notes/{text}"
    assert http_rule(service.methods_by_name["Bare"]) is None


@both_pools
def test_options_of_fields(pool_of_kind: Pools) -> None:
    fields = pool_of_kind().FindMessageTypeByName("parley.test.dialect.Note").fields_by_name
    assert [unset_form_of(fields[name]) for name in ("text", "sequence")] == [UnsetForm.NULL, None]
    assert [is_cursor(fields[name]) for name in ("text", "sequence")] == [False, True]
    assert stream_event_of(fields["started"]) == StreamEvent("started")
    assert stream_event_of(fields["ended"]) == StreamEvent("end", last=True)


def test_a_pool_without_the_options_has_plain_dialects() -> None:
    pool = DescriptorPool()
    for file in file_set("dialect_test.proto").file:
        if file.name.startswith(("parley/options", "google/api/annotations")):
            continue  # the pool then cannot know what the options of the test file mean
        for dependency in ("parley/options/v1/options.proto", "google/api/annotations.proto"):
            if dependency in file.dependency:
                file.dependency.remove(dependency)
        pool.AddSerializedFile(file.SerializeToString())
    get = pool.FindServiceByName("parley.test.dialect.Notes").methods_by_name["Get"]
    assert get.GetOptions().ByteSize() > 0
    assert dialect_of(get) == PLAIN
    assert rule_of(get) == Rule()
    assert http_rule(get) is None


def test_an_option_of_another_kind_of_descriptor_is_not_read() -> None:
    get = own_pool().FindServiceByName("parley.test.dialect.Notes").methods_by_name["Get"]
    assert option(get, "parley.options.v1.file_dialect") is None
    assert option(get, google.api.annotations_pb2.http.full_name) is not None
