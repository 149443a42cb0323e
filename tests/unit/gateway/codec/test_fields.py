"""Single fields: as documents of their own, and set from the texts of paths and queries."""

from typing import Any

import pytest

from gateway.core.codec import JsonError
from gateway.core.dialect import PLAIN
from tests.unit.gateway.codec.protos import LENIENT, SNAKE, field_codec, new

DOCUMENTS: list[tuple[str, str, str]] = [
    ("Scalars", "string_value", '"a"'),
    ("Scalars", "int64_value", '"5"'),
    ("Scalars", "bytes_value", '"/+8="'),
    ("Scalars", "enum_value", '"COLOR_RED"'),
    ("Scalars", "double_value", "-0.0"),
    ("Lists", "string_value", '["a","b"]'),
    ("Lists", "tree_value", '[{"name":"a"},{}]'),
    ("Maps", "string_tree", '{"a":{"name":"b"}}'),
    ("Maps", "int64_int64", '{"5":"6"}'),
    ("Tree", "child", '{"child":{},"attributes":{"a":1}}'),
    ("WellKnown", "timestamp", '"2025-01-02T10:59:41Z"'),
    ("WellKnown", "int64_wrapper", '"5"'),
    ("WellKnown", "value", "null"),
    ("WellKnown", "null_value", "null"),
    ("Choice", "text", '"a"'),
    ("Choice", "nothing", "null"),
    ("Names", "from", '"a"'),
    ("Names", "renamed", '"a"'),
]


@pytest.mark.parametrize(("name", "field", "text"), DOCUMENTS)
def test_a_field_is_a_document_of_its_own(name: str, field: str, text: str) -> None:
    for dialect in (PLAIN, LENIENT):
        one = field_codec(name, field, dialect)
        message = new(name)
        one.decode_into(message, text.encode())
        assert one.encode(message).decode() == text


UNSET: list[tuple[str, str, str]] = [
    ("Scalars", "string_value", '""'),
    ("Scalars", "int64_value", '"0"'),
    ("Scalars", "enum_value", '"COLOR_UNSPECIFIED"'),
    ("Optionals", "string_value", "null"),
    ("Optionals", "int64_value", "null"),
    ("Lists", "tree_value", "[]"),
    ("Maps", "string_tree", "{}"),
    ("Tree", "child", "null"),
    ("Choice", "text", "null"),
    ("Overrides", "never", '""'),
]


@pytest.mark.parametrize(("name", "field", "text"), UNSET)
def test_an_unset_field_is_written_as_its_default_or_null(name: str, field: str, text: str) -> None:
    assert field_codec(name, field).encode(new(name)).decode() == text


def test_a_field_is_written_in_the_dialect() -> None:
    assert field_codec("Scalars", "int64_value", SNAKE).encode(new("Scalars", int64_value=5)) == b"5"
    assert field_codec("Record", "role").encode(new("Record", role=1)) == b'"user"'


def test_null_leaves_a_field_unset() -> None:
    message = new("Tree")
    field_codec("Tree", "child").decode_into(message, b"null")
    assert not message.HasField("child")


REFUSED: list[tuple[str, str, str, str, str]] = [
    ("Tree", "child", '{"name": 1}', "name", "must be a string"),
    ("Tree", "child", '{"child": {}, "child": {}}', "child", "given twice"),
    ("Tree", "child", '{"child": 1}', "child", "must be an object"),
    ("Tree", "children", '[{}, {"name": 1}]', "[1].name", "must be a string"),
    ("Tree", "named", '{"a": 1}', '["a"]', "must be an object"),
    ("Scalars", "int32_value", '"x"', "", "must be a whole number"),
    ("Lists", "int32_value", '[1, "x"]', "[1]", "must be a whole number"),
    ("Names", "renamed", "5", "", "must be a string"),
    ("Tree", "child", "{", "", "is not JSON at line 1"),
    ("Tree", "child", "", "", "the document is empty"),
]


@pytest.mark.parametrize(("name", "field", "document", "path", "reason"), REFUSED)
def test_a_document_of_a_field_is_refused(name: str, field: str, document: str, path: str, reason: str) -> None:
    with pytest.raises(JsonError) as caught:
        field_codec(name, field).decode_into(new(name), document.encode())
    assert caught.value.field == path
    assert reason in caught.value.description


TEXTS: list[tuple[str, str, list[str], object]] = [
    ("Scalars", "string_value", ["a+b"], "a+b"),
    ("Scalars", "string_value", [""], ""),
    ("Scalars", "int32_value", ["-5"], -5),
    ("Scalars", "uint64_value", ["18446744073709551615"], (1 << 64) - 1),
    ("Scalars", "double_value", ["1e3"], 1000.0),
    ("Scalars", "double_value", ["-Infinity"], float("-inf")),
    ("Scalars", "float_value", ["0.5"], 0.5),
    ("Scalars", "bool_value", ["true"], True),
    ("Scalars", "bool_value", ["1"], True),
    ("Scalars", "bool_value", ["false"], False),
    ("Scalars", "bool_value", ["0"], False),
    ("Scalars", "bytes_value", ["_-8"], b"\xff\xef"),
    ("Scalars", "enum_value", ["COLOR_RED"], 1),
    ("Scalars", "enum_value", ["-1"], -1),
    ("Record", "role", ["assistant"], 2),
    ("Lists", "string_value", ["a,b", "c"], ["a,b", "c"]),
    ("Lists", "int64_value", ["1", "2"], [1, 2]),
    ("Lists", "enum_value", ["1", "COLOR_BLUE"], [1, 2]),
    ("Names", "from", ["a"], "a"),
]


@pytest.mark.parametrize(("name", "field", "texts", "value"), TEXTS)
def test_a_scalar_is_set_from_texts(name: str, field: str, texts: list[str], value: object) -> None:
    message = new(name)
    field_codec(name, field).set_text(message, texts)
    assert getattr(message, field) == value


MESSAGES: list[tuple[str, str, list[str], dict[str, Any]]] = [
    ("WellKnown", "timestamp", ["2025-01-02T10:59:41Z"], {"timestamp": {"seconds": 1735815581}}),
    ("WellKnown", "duration", ["1.5s"], {"duration": {"seconds": 1, "nanos": 500_000_000}}),
    ("WellKnown", "mask", ["aB,c"], {"mask": {"paths": ["a_b", "c"]}}),
    ("WellKnown", "int64_wrapper", ["0"], {"int64_wrapper": {"value": 0}}),
    ("WellKnown", "string_wrapper", ["5"], {"string_wrapper": {"value": "5"}}),
    ("WellKnown", "bool_wrapper", ["1"], {"bool_wrapper": {"value": True}}),
    ("WellKnown", "bytes_wrapper", ["AA"], {"bytes_wrapper": {"value": b"\0"}}),
    ("Lists", "timestamp_value", ["1970-01-01T00:00:01Z"] * 2, {"timestamp_value": [{"seconds": 1}] * 2}),
    ("Lists", "wrapper_value", ["1", "2"], {"wrapper_value": [{"value": 1}, {"value": 2}]}),
]


@pytest.mark.parametrize(("name", "field", "texts", "fields"), MESSAGES)
def test_a_message_whose_json_is_a_text_is_set_from_texts(
    name: str, field: str, texts: list[str], fields: dict[str, Any]
) -> None:
    message = new(name)
    field_codec(name, field).set_text(message, texts)
    assert message == new(name, **fields)


REFUSED_TEXTS: list[tuple[str, str, list[str], str]] = [
    ("Scalars", "int32_value", ["1.0"], "whole number"),
    ("Scalars", "int32_value", ["1e3"], "whole number"),
    ("Scalars", "int32_value", [""], "whole number"),
    ("Scalars", "int32_value", ["+1"], "whole number"),
    ("Scalars", "int32_value", ["2147483648"], "from -2147483648"),
    ("Scalars", "int32_value", ["1" * 5000], "whole number"),
    ("Scalars", "int32_value", ["1", "2"], "more than once"),
    ("Scalars", "bool_value", ["True"], "true or false"),
    ("Scalars", "double_value", ["1,5"], "number"),
    ("Scalars", "double_value", ["1e999"], "too large"),
    ("Scalars", "enum_value", ["RED"], "must be one of"),
    ("Scalars", "enum_value", ["77"], "must be one of"),
    ("Scalars", "enum_value", ["9" * 30], "must be"),
    ("Scalars", "bytes_value", ["*"], "base64"),
    ("Scalars", "string_value", ["\udcff"], "UTF-8"),
    ("Scalars", "string_value", [], "takes one value"),
    ("Lists", "string_value", ["a", "\udcff"], "UTF-8"),
    ("Lists", "int32_value", ["1", "x"], "whole number"),
    ("WellKnown", "timestamp", ["yesterday"], "must be a time"),
    ("WellKnown", "timestamp", ["2025-01-02T10:59:41Z"] * 2, "more than once"),
    ("WellKnown", "int32_wrapper", ["x"], "whole number"),
    ("WellKnown", "string_wrapper", ["\udcff"], "UTF-8"),
    ("WellKnown", "struct", ["{}"], "no single value"),
    ("Tree", "child", ["{}"], "no single value"),
    ("Tree", "children", ["{}"], "no single value"),
    ("Maps", "string_string", ["a"], "no single value"),
]


@pytest.mark.parametrize(("name", "field", "texts", "reason"), REFUSED_TEXTS)
def test_a_text_is_refused(name: str, field: str, texts: list[str], reason: str) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        field_codec(name, field).set_text(new(name), texts)
    assert caught.value.field == ""


def test_a_text_for_a_second_member_of_a_oneof_is_refused() -> None:
    message = new("Choice", text="a")
    with pytest.raises(JsonError, match="excludes text"):
        field_codec("Choice", "number").set_text(message, ["1"])
    with pytest.raises(JsonError, match="excludes real"):
        field_codec("Choice", "wrapped").set_text(new("Choice", real=1.0), ["1"])
