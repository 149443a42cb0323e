"""Free-form values are as deep as over HTTP, however they came."""

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from parley.archive.v3 import archive_pb2
from parley.v1 import thread_pb2

from server.domain.errors import InvalidField
from server.rpc.interceptors.depth import DEEPEST, has_free_form, too_deep
from server.rpc.interceptors.validation import Validation

FIND = archive_pb2.FindConversationsRequest


def nested(levels: int) -> ListValue:
    """A list in a list, so many levels of them, with a scalar inside."""
    value = Value(string_value="x")
    for _ in range(levels):
        value = Value(list_value=ListValue(values=[value]))
    return value.list_value


def test_the_types_that_can_hold_one_are_known() -> None:
    assert has_free_form(FIND)
    assert not has_free_form(thread_pb2.CreateThreadRequest)


def test_the_limit_is_that_of_the_gateway() -> None:
    from gateway.core.codec.depth import free_form_levels

    assert free_form_levels(2) == DEEPEST
    assert too_deep(FIND(filters=[nested(DEEPEST)])) is None
    assert too_deep(FIND(filters=[nested(1), nested(DEEPEST + 1)])) == "filters"


def test_objects_count_as_arrays_do() -> None:
    struct = Struct()
    inner = struct
    for _ in range(DEEPEST - 2):
        inner = inner.fields["x"].struct_value
    inner.fields["x"].number_value = 1
    # With the list around them and the one level more below they are one too many.
    fitting = ListValue(values=[Value(struct_value=struct)])
    assert too_deep(FIND(filters=[fitting])) is None
    inner.fields["x"].list_value.values.add().list_value.values.add()
    assert too_deep(FIND(filters=[ListValue(values=[Value(struct_value=struct)])])) == "filters"


def test_what_is_too_deep_is_an_invalid_field() -> None:
    validation = Validation([FIND])
    with pytest.raises(InvalidField, match="filters: is nested too deeply"):
        validation.check(FIND(filters=[nested(DEEPEST + 1)]))
