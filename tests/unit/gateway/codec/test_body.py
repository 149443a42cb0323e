"""What a body may hold: each rule by which a document is refused, with the path and the reason that the caller gets."""

import json

import pytest

from gateway.core.codec import JsonError
from tests.unit.gateway.codec.protos import LENIENT, codec, new, read, refusal, written

INT64_MAX = (1 << 63) - 1
UINT64_MAX = (1 << 64) - 1

REFUSED: dict[str, tuple[str, str | bytes, str, str]] = {
    # name: (message, document, path, part of the description)
    "empty document": ("Tree", "", "", "the document is empty"),
    "blank document": ("Tree", " \n", "", "the document is empty"),
    "syntax": ("Tree", '{"name":\n  tru}', "", "line 2, column 3"),
    "trailing comma": ("Tree", '{"name": "a",}', "", "line 1, column 13"),
    "two documents": ("Tree", "{} {}", "", "line 1, column 4"),
    "byte order mark": ("Tree", b"\xef\xbb\xbf{}", "", "byte order mark"),
    "invalid UTF-8": ("Tree", b'{"name": "\xff"}', "", "not UTF-8 at byte 10"),
    "lone surrogate in UTF-8": ("Tree", b'{"name": "\xed\xa0\x80"}', "", "not UTF-8 at byte 10"),
    "lone surrogate escaped": ("Tree", r'{"name": "\ud800"}', "", "line 1, column 11"),
    "NaN": ("Scalars", '{"doubleValue": NaN}', "", "line 1, column 17"),
    "infinity": ("Scalars", '{"doubleValue": -Infinity}', "", "line 1, column 18"),
    "parser's own depth": ("Tree", "[" * 5000, "", "nested too deeply"),
    "not an object": ("Tree", "[]", "", "must be an object, not an array"),
    "null document": ("Tree", "null", "", "must be an object, not null"),
    "unknown field": ("Tree", '{"child": {"nmae": 1}}', "child.nmae", "not a known field"),
    "odd unknown field": ("Tree", r'{"a\nb": 1}', r"a\nb", "not a known field"),
    "both spellings": ("Scalars", '{"int32_value": 1, "int32Value": 1}', "int32_value", "also as int32Value"),
    "both spellings, one null": ("Scalars", '{"int32Value": null, "int32_value": 1}', "int32_value", "given twice"),
    "repeated key": ("Tree", '{"name": "a", "name": "b"}', "name", "given twice in one object"),
    "repeated key below": (
        "Tree",
        '{"children": [{}, {"child": {}, "child": {}}]}',
        "children[1].child",
        "given twice",
    ),
    "repeated key in a map": ("Tree", '{"named": {"a b": {}, "a b": {}}}', "named.a b", "given twice"),
    "repeated key in a struct": (
        "Tree",
        '{"attributes": {"a": [{"b": 1, "b": 1}]}}',
        "attributes.a[0].b",
        "given twice",
    ),
    "repeated key, spaced": ("Tree", '{"name" : "a", "name"\n:"b"}', "name", "given twice"),
    "repeated key, escaped": ("Tree", r'{"name": "a", "n\u0061me": "b"}', "name", "given twice"),
    "repeated key beside text like one": ("Tree", r'{"name": "\":", "name": "b"}', "name", "given twice"),
    "repeated key beside a time": (
        "WellKnown",
        r'{"timestamp": "2025-01-01T00\u003a00\u003a00Z", "duration": "1s", "duration": "1s", "duration": "1s"}',
        "duration",
        "given twice",
    ),
    "string from number": ("Scalars", '{"stringValue": 1}', "stringValue", "must be a string, not 1"),
    "bool from number": ("Scalars", '{"boolValue": 1}', "boolValue", "must be true or false, not 1"),
    "bool from text": ("Scalars", '{"boolValue": "true"}', "boolValue", "must be true or false"),
    "integer from bool": ("Scalars", '{"int32Value": true}', "int32Value", "must be a whole number, not true"),
    "integer from object": ("Scalars", '{"int32Value": {}}', "int32Value", "must be a whole number, not an object"),
    "integer with fraction": ("Scalars", '{"int32Value": 1.5}', "int32Value", "must be a whole number, not 1.5"),
    "integer text with fraction": ("Scalars", '{"int32Value": "1.5"}', "int32Value", "must be a whole number"),
    "integer text with space": ("Scalars", '{"int64Value": " 1"}', "int64Value", "must be a whole number"),
    "integer text of other digits": ("Scalars", '{"int64Value": "\u0661"}', "int64Value", "must be a whole number"),
    "integer text with underscore": ("Scalars", '{"int64Value": "1_0"}', "int64Value", "must be a whole number"),
    "empty integer text": ("Scalars", '{"int64Value": ""}', "int64Value", "must be a whole number"),
    "huge exponent": ("Scalars", '{"int64Value": "1e999"}', "int64Value", "at most 64 bits"),
    "endless digits": ("Scalars", f'{{"int64Value": "{"9" * 9000}"}}', "int64Value", "must be a whole number"),
    "int32 range": ("Scalars", f'{{"int32Value": {1 << 31}}}', "int32Value", "from -2147483648 to 2147483647"),
    "int32 range below": ("Scalars", f'{{"sint32Value": {-(1 << 31) - 1}}}', "sint32Value", "from -2147483648"),
    "uint32 range": ("Scalars", f'{{"uint32Value": {1 << 32}}}', "uint32Value", "from 0 to 4294967295"),
    "uint32 negative": ("Scalars", '{"fixed32Value": -1}', "fixed32Value", "from 0 to 4294967295"),
    "int64 range": ("Scalars", f'{{"int64Value": {INT64_MAX + 1}}}', "int64Value", "from -9223372036854775808"),
    "int64 range as text": (
        "Scalars",
        f'{{"int64Value": "{INT64_MAX + 1}"}}',
        "int64Value",
        "from -9223372036854775808",
    ),
    "int64 range as float": ("Scalars", '{"int64Value": 9.3e18}', "int64Value", "from -9223372036854775808"),
    "uint64 range": (
        "Scalars",
        f'{{"uint64Value": {UINT64_MAX + 1}}}',
        "uint64Value",
        "from 0 to 18446744073709551615",
    ),
    "uint64 negative": ("Scalars", '{"uint64Value": "-1"}', "uint64Value", "from 0 to 18446744073709551615"),
    "double overflow": ("Scalars", '{"doubleValue": 1e999}', "", "line 1, column 17"),
    "double overflow as text": ("Scalars", '{"doubleValue": "1e999"}', "doubleValue", "too large for a double"),
    "double of other words": ("Scalars", '{"doubleValue": "nan"}', "doubleValue", "must be a number"),
    "float overflow": ("Scalars", '{"floatValue": 3.5e38}', "floatValue", "too large for a 32-bit float"),
    "float overflow as text": ("Scalars", '{"floatValue": "-3.5e38"}', "floatValue", "too large for a 32-bit float"),
    "base64": ("Scalars", '{"bytesValue": "a*=="}', "bytesValue", "is not base64"),
    "base64 of wrong length": ("Scalars", '{"bytesValue": "abcde"}', "bytesValue", "is not base64"),
    "base64 beyond ASCII": ("Scalars", '{"bytesValue": "é"}', "bytesValue", "is not base64"),
    "unknown enum name": ("Scalars", '{"enumValue": "RED"}', "enumValue", "one of COLOR_UNSPECIFIED, COLOR_RED"),
    "enum from object": ("Scalars", '{"enumValue": {}}', "enumValue", "one of COLOR_UNSPECIFIED"),
    "enum from bool": ("Scalars", '{"enumValue": true}', "enumValue", "one of COLOR_UNSPECIFIED"),
    "enum from fraction": ("Scalars", '{"enumValue": 0.5}', "enumValue", "must be a whole number"),
    "enum number out of range": ("Scalars", f'{{"enumValue": {1 << 31}}}', "enumValue", "from -2147483648"),
    "list from object": ("Lists", '{"int32Value": {}}', "int32Value", "must be an array, not an object"),
    "string list from text": ("Lists", '{"stringValue": "a"}', "stringValue", "must be an array"),
    "message list from object": ("Lists", '{"treeValue": {}}', "treeValue", "must be an array, not an object"),
    "null in a list": ("Lists", '{"stringValue": ["a", null]}', "stringValue[1]", "must be a string, not null"),
    "null in a message list": ("Lists", '{"treeValue": [null]}', "treeValue[0]", "must be an object, not null"),
    "bool in an integer list": ("Lists", '{"int32Value": [1, true]}', "int32Value[1]", "must be a whole number"),
    "range in a list": ("Lists", '{"uint64Value": [1, -1]}', "uint64Value[1]", "from 0 to"),
    "range in a float list": ("Lists", '{"floatValue": [1.5, 1e39]}', "floatValue[1]", "too large for a 32-bit float"),
    "number in a bool list": ("Lists", '{"boolValue": [true, 0]}', "boolValue[1]", "must be true or false"),
    "wrong in an enum list": ("Lists", '{"enumValue": ["COLOR_RED", "X"]}', "enumValue[1]", "must be one of"),
    "map from array": ("Maps", '{"stringString": []}', "stringString", "must be an object, not an array"),
    "map value": ("Maps", '{"stringString": {"a\\"b": 1}}', r'stringString["a\"b"]', "must be a string"),
    "null map value": ("Maps", '{"stringString": {"a": null}}', 'stringString["a"]', "must be a string, not null"),
    "map message": ("Maps", '{"stringTree": {"a": {"name": 1}}}', 'stringTree["a"].name', "must be a string"),
    "map key": ("Maps", '{"int32Double": {"x": 1}}', 'int32Double["x"]', "must be a whole number"),
    "map bool key": ("Maps", '{"boolBool": {"1": true}}', 'boolBool["1"]', "true and false"),
    "map keys that are the same": ("Maps", '{"int32Double": {"1": 1, "01": 2}}', 'int32Double["01"]', "given twice"),
    "map value under a number": ("Maps", '{"int64Int64": {"5": {}}}', 'int64Int64["5"]', "must be a whole number"),
    "map range": ("Maps", '{"uint32Uint32": {"5": -1}}', 'uint32Uint32["5"]', "from 0 to 4294967295"),
    "two members of a oneof": ("Choice", '{"text": "a", "number": 1}', "number", "excludes text"),
    "two members, one null value": ("Choice", '{"nothing": null, "flag": true}', "nothing", "excludes flag"),
    "two members, other spelling": ("Choice", '{"text": "a", "tree": {}}', "tree", "excludes text"),
    "timestamp": ("WellKnown", '{"timestamp": "2025-02-30T00:00:00Z"}', "timestamp", "must be a time such as"),
    "timestamp in lower case": ("WellKnown", '{"timestamp": "2025-02-03t00:00:00z"}', "timestamp", "must be a time"),
    "timestamp without zone": ("WellKnown", '{"timestamp": "2025-02-03T00:00:00"}', "timestamp", "must be a time"),
    "timestamp with a leap second": (
        "WellKnown",
        '{"timestamp": "2025-02-03T00:00:60Z"}',
        "timestamp",
        "must be a time",
    ),
    "timestamp with ten digits": (
        "WellKnown",
        '{"timestamp": "2025-02-03T00:00:00.1234567890Z"}',
        "timestamp",
        "must be a time",
    ),
    "timestamp before year 1": (
        "WellKnown",
        '{"timestamp": "0001-01-01T00:00:00+01:00"}',
        "timestamp",
        "from year 1 to 9999",
    ),
    "timestamp from number": ("WellKnown", '{"timestamp": 5}', "timestamp", "must be a time such as"),
    "duration": ("WellKnown", '{"duration": "5"}', "duration", "must be a duration in seconds"),
    "duration range": ("WellKnown", '{"duration": "315576000001s"}', "duration", "at most 315576000000"),
    "mask in snake case": ("WellKnown", '{"mask": "a_b"}', "mask", "no path of field names"),
    "mask with spaces": ("WellKnown", '{"mask": "a, b"}', "mask", "no path of field names"),
    "mask from array": ("WellKnown", '{"mask": []}', "mask", "must be a string of field paths"),
    "wrapper": ("WellKnown", '{"int32Wrapper": {"value": 1}}', "int32Wrapper", "must be a whole number, not an object"),
    "struct from array": ("WellKnown", '{"struct": []}', "struct", "must be an object"),
    "list value from object": ("WellKnown", '{"list": {}}', "list", "must be an array"),
    "null value from text": ("WellKnown", '{"nullValue": "null"}', "nullValue", "one of NULL_VALUE"),
    "any without type": ("WellKnown", '{"any": {"name": "a"}}', "any.@type", "must be given"),
    "any of unknown type": ("WellKnown", '{"any": {"@type": "x/y.Z"}}', "any.@type", "no type known here"),
    "any of a bare name": ("WellKnown", '{"any": {"@type": "parley.test.codec.Tree"}}', "any.@type", "no type known"),
    "any member": (
        "WellKnown",
        '{"any": {"@type": "x/parley.test.codec.Tree", "name": 1}}',
        "any.name",
        "must be a string",
    ),
    "any value": (
        "WellKnown",
        '{"any": {"@type": "x/google.protobuf.Duration", "value": 1}}',
        "any.value",
        "a duration",
    ),
    "any without value": (
        "WellKnown",
        '{"any": {"@type": "x/google.protobuf.Duration"}}',
        "any.value",
        "must be given",
    ),
    "any beside value": (
        "WellKnown",
        '{"any": {"@type": "x/google.protobuf.Duration", "value": "1s", "seconds": 1}}',
        "any.seconds",
        'stands under "value"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_document_is_refused_with_the_path_of_what_is_wrong(case: str) -> None:
    message, document, path, reason = REFUSED[case]
    error = refusal(message, document)
    assert error.field == path
    assert reason in error.description
    assert len(error.description) < 300


def test_an_error_echoes_only_a_short_escaped_excerpt() -> None:
    error = refusal("Scalars", '{"enumValue": "\\u0000\\n' + "secret" * 100 + '"}')
    assert "\n" not in error.description
    assert "\0" not in error.description
    assert "secret" * 6 not in error.description


def test_a_path_stays_short() -> None:
    name = "x" * 10_000
    assert len(refusal("Tree", f'{{"{name}": 1}}').field) <= 256
    assert len(refusal("Maps", f'{{"stringString": {{"{name}": 1}}}}').field) <= 256


@pytest.mark.parametrize(
    ("document", "same_as"),
    [
        ('{"int32_value": 5}', '{"int32Value": 5}'),
        ('{"int32Value": 5.0, "int64Value": 1e3}', '{"int32Value": 5, "int64Value": "1000"}'),
        ('{"int32Value": "1e3", "uint64Value": "1.0"}', '{"int32Value": 1000, "uint64Value": "1"}'),
        ('{"doubleValue": "-1.5e3", "floatValue": 2}', '{"doubleValue": -1500.0, "floatValue": 2.0}'),
        (
            '{"doubleValue": "Infinity", "floatValue": "-Infinity"}',
            '{"doubleValue":"Infinity","floatValue":"-Infinity"}',
        ),
        ('{"bytesValue": "_-8"}', '{"bytesValue": "/+8="}'),
        ('{"enumValue": 1}', '{"enumValue": "COLOR_RED"}'),
        ('{"enumValue": 1.0}', '{"enumValue": "COLOR_RED"}'),
        ('{"enumValue": 77}', '{"enumValue": 77}'),
        ('{"int32Value": null, "stringValue": null}', "{}"),
        ('{"int32Value": 0, "stringValue": ""}', "{}"),
        ('{"int32Value": -0, "doubleValue": "-0"}', '{"doubleValue": -0.0}'),
    ],
)
def test_other_forms_of_scalars_are_taken(document: str, same_as: str) -> None:
    message = read("Scalars", document)
    assert message == read("Scalars", same_as)
    assert written(message) == written(read("Scalars", same_as))


def test_text_that_looks_like_a_repeated_key_is_no_repeated_key() -> None:
    name = 'a: "name": "name" :'
    assert read("Tree", written(new("Tree", name=name))).name == name


@pytest.mark.parametrize("name", [r"\":", r"{\"name\": \"name\" : 1}", r"\\\":", r"\\"])
def test_code_within_text_is_no_repeated_key(name: str) -> None:
    assert read("Tree", f'{{"name" : "{name}", "child": {{"name":"{name}"}}}}').child.name == json.loads(f'"{name}"')
    assert refusal("Tree", f'{{"name" : "{name}", "child": {{}}, "name" : "{name}"}}').field == "name"
    maps = f'{{"stringString": {{"{name}": "a", "b":"c", "b":"c"}}}}'
    assert refusal("Maps", maps).field == "stringString.b"


def test_null_members_of_a_oneof_exclude_nothing() -> None:
    assert read("Choice", '{"text": null, "number": 1}').WhichOneof("few") == "number"


def test_null_is_a_value_of_value_and_null_value() -> None:
    assert read("Choice", '{"anything": null}').WhichOneof("many") == "anything"
    assert read("Choice", '{"nothing": null}').WhichOneof("many") == "nothing"
    assert read("WellKnown", '{"value": null, "duration": null}') == new("WellKnown", value={"null_value": 0})
    assert len(read("Lists", '{"anyJson": [null, 1]}').any_json) == 2


@pytest.mark.parametrize("inner", ["{}", '{"name": null}', '{"children": []}', '{"named": {}}', '{"children": null}'])
def test_a_message_that_was_given_is_present_though_nothing_in_it_is_set(inner: str) -> None:
    assert read("Tree", f'{{"child": {inner}}}').HasField("child")
    assert read("Tree", f'{{"child": {inner}}}', LENIENT).HasField("child")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("struct", "{}"),
        ("list", "[]"),
        ("mask", '""'),
        ("any", "{}"),
        ("empty", "{}"),
        ("value", "{}"),
        ("value", "[]"),
    ],
)
def test_an_empty_well_known_message_is_present(field: str, value: str) -> None:
    message = read("WellKnown", f'{{"{field}": {value}}}')
    assert message.HasField(field)
    assert written(message) == f'{{"{field}":{value}}}'


def test_unknown_parts_are_ignored_where_the_dialect_says_so() -> None:
    document = '{"enumValue": "X", "unknown": {"a": [{"b": 1}]}, "int32Value": 1}'
    assert read("Scalars", document, LENIENT) == new("Scalars", int32_value=1)
    lists = read("Lists", '{"enumValue": ["COLOR_RED", "X", 5]}', LENIENT)
    assert list(lists.enum_value) == [1, 5]
    maps = read("Maps", '{"stringEnum": {"a": "X", "b": "COLOR_RED"}}', LENIENT)
    assert dict(maps.string_enum) == {"b": 1}
    assert "given twice" in refusal("Scalars", '{"unknown": {"a": 1, "a": 2}}', LENIENT).description
    deep = refusal("Scalars", '{"unknown": ' + "[" * 70 + "]" * 70 + "}", LENIENT)
    assert "nested too deeply" in deep.description


def test_decode_into_adds_to_a_message() -> None:
    message = new("Lists", int32_value=[1], string_value=["a"])
    codec("Lists").decode_into(message, b'{"int32Value": [2], "boolValue": [true]}')
    assert message == new("Lists", int32_value=[1, 2], string_value=["a"], bool_value=[True])


def test_a_member_of_a_oneof_excludes_one_that_is_set_already() -> None:
    message = new("Choice", text="a")
    with pytest.raises(JsonError, match="excludes text"):
        codec("Choice").decode_into(message, b'{"number": 1}')
