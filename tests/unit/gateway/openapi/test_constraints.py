"""The rules of `buf.validate` as keywords of JSON Schema, read from a pool that is not the default one."""

from typing import Any

import pytest

from gateway.core.dialect import PLAIN, Dialect, Int64Form
from gateway.core.openapi.comments import Comments
from gateway.core.openapi.schemas import SchemaBook
from gateway.core.openapi.wire import Wire
from tests.unit.gateway.openapi.toy import toy_pool

INPUT = Wire.received(Dialect(int64_form=Int64Form.NUMBER))


def rules_schema(wire: Wire = INPUT) -> dict[str, Any]:
    book = SchemaBook(Comments())
    schema = book.message(toy_pool().FindMessageTypeByName("toy.v1.Rules"), wire)
    document = book.resolved({"root": schema})
    rules: dict[str, Any] = document["components"]["schemas"]["toy.v1.Rules"]
    return rules


INT = {"type": "integer", "format": "int32"}
LOW, HIGH = {"minimum": -(1 << 31)}, {"maximum": (1 << 31) - 1}


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("exact", {"type": "string", "minLength": 3, "maxLength": 3}),
        ("pattern", {"type": "string", "pattern": "^[a-z]+$"}),
        ("oddPattern", {"type": "string"}),
        ("bytesOfText", {"type": "string", "maxLength": 20, "description": "At most 20 bytes in UTF-8."}),
        ("listed", {"type": "string", "enum": ["a", "b"]}),
        ("prefixed", {"type": "string", "pattern": r"^a\.[\s\S]*$"}),
        ("outside", {**INT, **LOW, **HIGH}),
        ("positive", {**INT, "exclusiveMinimum": 0, **HIGH}),
        ("maybePositive", {**INT, "exclusiveMinimum": 0, **HIGH}),
        ("ignored", {**INT, **LOW, **HIGH}),
        ("present", {**INT, "exclusiveMinimum": 0, **HIGH}),
        ("novel", {"type": "string", "enum": ["novel"]}),
        ("noReport", {"type": "string", "enum": ["novel"]}),
        (
            "unique",
            {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 1, "uniqueItems": True},
        ),
        (
            "pairs",
            {
                "type": "object",
                "additionalProperties": {**INT, **LOW, "maximum": 7},
                "propertyNames": {"maxLength": 4},
                "minProperties": 1,
            },
        ),
        ("needed", {"type": "string", "minLength": 1}),
        ("sub", {"$ref": "#/components/schemas/toy.v1.Library"}),
        ("agreed", {"type": "boolean", "const": True}),
        ("half", {"type": "number", "format": "double", "minimum": 0.5, "maximum": 2}),
        ("byExpression", {"type": "string", "enum": ["novel"], "description": "No reports here."}),
        ("byOther", {"type": "string", "description": "Must rhyme."}),
        ("wrapped", {"type": "string", "maxLength": 2}),
    ],
)
def test_a_rule_is_a_keyword(field: str, schema: dict[str, Any]) -> None:
    assert rules_schema()["properties"][field] == schema


def test_a_field_whose_zero_value_is_refused_is_required() -> None:
    optional = {
        "oddPattern",  # said by the service, not by the schema: it may allow more, never less
        "bytesOfText",
        "outside",
        "maybePositive",
        "ignored",
        "present",
        "noReport",
        "wrapped",
        "byExpression",
        "byOther",
    }
    schema = rules_schema()
    assert set(schema["properties"]) - set(schema["required"]) == optional


def test_rules_say_nothing_about_replies() -> None:
    schema = rules_schema(Wire.sent(PLAIN))
    assert schema["properties"]["exact"] == {"type": "string"}
    assert "required" not in schema
