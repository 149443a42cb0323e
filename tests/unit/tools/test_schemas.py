"""Schemas and arguments of strangers: what is wrong is told, and nothing takes long."""

import json
from typing import Any

import pytest

from server.adapters.tools.schemas import JsonSchemas
from server.ports.tools import InvalidArguments, InvalidSchema

SCHEMAS = JsonSchemas()
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}},
        "a/b": {"type": "string"},
    },
    "required": ["count"],
    "additionalProperties": False,
}


def arguments(text: str, schema: dict[str, Any] = SCHEMA) -> Any:
    return SCHEMAS.arguments(SCHEMAS.canonical(schema), text)


def test_arguments_come_as_they_were_written() -> None:
    assert arguments('{"count": 3, "tags": ["a", "b"]}') == {"count": 3, "tags": ["a", "b"]}
    assert arguments(" \n", {"type": "object"}) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"count": 3', "the arguments are no JSON: Expecting ',' delimiter at character 11"),
        ('{"count": 3} {}', "the arguments are no JSON: Extra data"),
        ('{"count": 3, "count": 4}', "the arguments have the key 'count' twice"),
        ('{"count": 3, "tags": [{"x": 1, "x": 2}]}', "the key 'x' twice"),
        ("[3]", "the arguments are no JSON object"),
        ("null", "the arguments are no JSON object"),
        ('{"count": NaN}', "a number or a character that cannot be"),
        ('{"count": 1e999}', "a number or a character that cannot be"),
        ('{"count": ' + "9" * 5000 + "}", "a number or a character that cannot be"),
        ('{"count": 1, "tags": ["\\ud800"]}', "a number or a character that cannot be"),
        ('{"count": 1, "x": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 24"),
        ('{"count": 1, "x": ' + "[" * 100_000, "nested deeper than 24"),
        ('"' + "x" * (1 << 20) + '"', "longer than 1048576 characters"),
        ("", "at the top: 'count' is a required property"),
        ('{"count": "3"}', "at /count: '3' is not of type 'integer'"),
        ('{"count": 0}', "at /count: 0 is less than the minimum of 1"),
        ('{"count": 1, "tags": ["abc", "abcd"]}', "at /tags/1: 'abcd' is too long"),
        ('{"count": 1, "a/b": 1}', "at /a~1b: 1 is not of type 'string'"),
        ('{"count": 1, "who": 1}', "at the top: there is no property 'who'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InvalidArguments) as error:
        arguments(text)
    assert told in error.value.message
    assert len(error.value.message) < 1500


@pytest.mark.parametrize(
    ("keyword", "good", "bad"),
    [
        ({"properties": {"x": {"pattern": "^a+$"}}}, '{"x": "aa"}', '{"x": "ab"}'),
        ({"patternProperties": {"^n_": {"type": "number"}}}, '{"n_a": 1, "b": "x"}', '{"n_a": "x"}'),
        (
            {"patternProperties": {"^n_": {}}, "properties": {"b": {}}, "additionalProperties": False},
            '{"n_a": 1, "b": 2}',
            '{"c": 1}',
        ),
        ({"additionalProperties": {"type": "string"}}, '{"x": "a"}', '{"x": 1}'),
        ({"properties": {"x": {"$ref": "#/$defs/d"}}, "$defs": {"d": {"enum": [1]}}}, '{"x": 1}', '{"x": 2}'),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, '{"a": 1, "b": 1}', '{"a": 1}'),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}},
            '{"a": 1, "b": 1}',
            '{"a": 1}',
        ),
    ],
)
def test_keywords_mean_what_the_specification_says(keyword: dict[str, Any], good: str, bad: str) -> None:
    schema = {"type": "object", **keyword}
    assert arguments(good, schema) == json.loads(good)
    with pytest.raises(InvalidArguments):
        arguments(bad, schema)


@pytest.mark.parametrize("pattern", ["(?=x)", "(a)\\1", "(", "x" * 600])
def test_a_pattern_that_re2_does_not_take_is_not_checked(pattern: str) -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": pattern}},
        "patternProperties": {pattern: {"type": "string"}},
        "additionalProperties": False,
    }
    assert arguments('{"x": "y", "z": 1}', schema) == {"x": "y", "z": 1}


@pytest.mark.timeout(10)
def test_no_pattern_backtracks() -> None:
    schema = {"type": "object", "properties": {"x": {"pattern": "^(a|aa)+$"}}}
    with pytest.raises(InvalidArguments, match="does not match"):
        arguments(json.dumps({"x": "a" * 100_000 + "b"}), schema)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$ref": "#"},
        {"type": "object", "allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {
            "type": "object",
            "$ref": "#/$defs/d0",
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {}},
        },
    ],
    ids=["refers to itself", "refers to itself twice", "doubles forty times"],
)
def test_a_schema_that_would_last_for_ever_is_left(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments, match="too large, or the tool's schema is too involved"):
        arguments("{}", schema)


def test_large_arguments_are_checked_whole() -> None:
    text = json.dumps({"count": 1, "tags": ["abc"] * 8000})
    assert len(arguments(text)["tags"]) == 8000
    with pytest.raises(InvalidArguments, match="at /tags/8000: 'abcd' is too long"):
        arguments(json.dumps({"count": 1, "tags": ["abc"] * 8000 + ["abcd"]}))


def test_the_order_of_keys_does_not_matter() -> None:
    assert SCHEMAS.canonical({"type": "object", "title": "x"}) == SCHEMAS.canonical({"title": "x", "type": "object"})


@pytest.mark.parametrize("schema", [{}, {"type": ["object", "null"]}])
def test_what_is_no_schema_of_an_object_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema):
        SCHEMAS.canonical(schema)
