"""The JSON that messages are written as, to the byte: plain ProtoJSON, and the forms of a dialect."""

import math
from typing import Any

import pytest

from gateway.core.codec import Codecs, JsonError
from gateway.core.dialect import PLAIN, Dialect, FieldNames, Int64Form, UnsetForm
from tests.support.pools import compiled_pool
from tests.unit.gateway.codec.protos import POOL, SNAKE, WRITTEN, codec, new, read, written

FLT_MAX = 3.4028234663852886e38

SCALARS: list[tuple[str, object, str]] = [
    ("double_value", 1.0, "1.0"),
    ("double_value", 0.1, "0.1"),
    ("double_value", -0.0, "-0.0"),
    ("double_value", 1.7976931348623157e308, "1.7976931348623157e308"),
    ("double_value", 5e-324, "5e-324"),
    ("double_value", math.nan, '"NaN"'),
    ("double_value", math.inf, '"Infinity"'),
    ("double_value", -math.inf, '"-Infinity"'),
    ("float_value", 0.1, "0.1"),
    ("float_value", -0.0, "-0.0"),
    ("float_value", 1 / 3, "0.33333334"),
    ("float_value", 16777216.0, "16777216.0"),
    ("float_value", FLT_MAX, "3.4028235e38"),
    ("float_value", 1e-45, "1.4013e-45"),
    ("float_value", math.nan, '"NaN"'),
    ("float_value", -math.inf, '"-Infinity"'),
    ("int32_value", -(1 << 31), "-2147483648"),
    ("uint32_value", (1 << 32) - 1, "4294967295"),
    ("int64_value", -(1 << 63), '"-9223372036854775808"'),
    ("int64_value", (1 << 63) - 1, '"9223372036854775807"'),
    ("fixed64_value", (1 << 64) - 1, '"18446744073709551615"'),
    ("bool_value", True, "true"),
    ("string_value", 'ü"\\\n\u2028', '"ü\\"\\\\\\n\u2028"'),
    ("bytes_value", b"\xff\xef\x00", '"/+8A"'),
    ("enum_value", 2, '"COLOR_BLUE"'),
    ("enum_value", -1, '"COLOR_NEGATIVE"'),
    ("enum_value", 99, "99"),
]


@pytest.mark.parametrize(("field", "value", "text"), SCALARS)
def test_a_scalar_is_written_and_reads_back(field: str, value: Any, text: str) -> None:
    message = new("Scalars", **{field: value})
    head, tail = field.split("_")
    assert written(message).replace("e+", "e") == f'{{"{head}{tail.capitalize()}":{text}}}'
    back = read("Scalars", written(message))
    assert back.SerializeToString() == message.SerializeToString()


def test_floats_at_the_edge_of_their_range_read_back() -> None:
    assert read("Scalars", '{"floatValue": 3.4028235e38}').float_value == FLT_MAX
    assert read("Scalars", '{"floatValue": "3.4028235677973362e38"}').float_value == FLT_MAX
    with pytest.raises(JsonError):
        read("Scalars", '{"floatValue": 3.4028235677973366e38}')


WELL_KNOWN: list[tuple[dict[str, Any], str]] = [
    ({"timestamp": {}}, '{"timestamp":"1970-01-01T00:00:00Z"}'),
    ({"timestamp": {"seconds": 1735815581, "nanos": 120_000_000}}, '{"timestamp":"2025-01-02T10:59:41.120Z"}'),
    ({"timestamp": {"seconds": -1, "nanos": 1_000}}, '{"timestamp":"1969-12-31T23:59:59.000001Z"}'),
    ({"timestamp": {"seconds": -62135596800, "nanos": 1}}, '{"timestamp":"0001-01-01T00:00:00.000000001Z"}'),
    ({"timestamp": {"seconds": 253402300799}}, '{"timestamp":"9999-12-31T23:59:59Z"}'),
    ({"duration": {}}, '{"duration":"0s"}'),
    ({"duration": {"seconds": -1, "nanos": -500_000_000}}, '{"duration":"-1.500s"}'),
    ({"duration": {"nanos": -1}}, '{"duration":"-0.000000001s"}'),
    ({"duration": {"seconds": 315576000000, "nanos": 999_999_999}}, '{"duration":"315576000000.999999999s"}'),
    ({"mask": {"paths": ["a_b.c_d", "e"]}}, '{"mask":"aB.cD,e"}'),
    ({"empty": {}}, '{"empty":{}}'),
    ({"value": {"number_value": 5}}, '{"value":5}'),
    ({"value": {"number_value": 0.5}}, '{"value":0.5}'),
    ({"value": {"number_value": -0.0}}, '{"value":-0.0}'),
    ({"value": {"number_value": 1e15}}, '{"value":1000000000000000}'),
    ({"value": {"number_value": 1.5e-9}}, '{"value":1.5e-9}'),
    ({"value": {}}, '{"value":null}'),
    ({"int64_wrapper": {"value": 0}}, '{"int64Wrapper":"0"}'),
    ({"float_wrapper": {"value": 0.1}}, '{"floatWrapper":0.1}'),
    ({"double_wrapper": {"value": math.nan}}, '{"doubleWrapper":"NaN"}'),
    ({"bool_wrapper": {}}, '{"boolWrapper":false}'),
    ({"bytes_wrapper": {"value": b"\x00"}}, '{"bytesWrapper":"AA=="}'),
    ({"any": {}}, '{"any":{}}'),
    (
        {"any": {"type_url": "x/parley.test.codec.Tree", "value": new("Tree", name="a").SerializeToString()}},
        '{"any":{"@type":"x/parley.test.codec.Tree","name":"a"}}',
    ),
    (
        {"any": {"type_url": "x/google.protobuf.BoolValue", "value": b"\x08\x01"}},
        '{"any":{"@type":"x/google.protobuf.BoolValue","value":true}}',
    ),
    ({"any": {"type_url": "x/google.protobuf.Empty"}}, '{"any":{"@type":"x/google.protobuf.Empty"}}'),
]


@pytest.mark.parametrize(("fields", "text"), WELL_KNOWN)
def test_a_well_known_message_is_written_and_reads_back(fields: dict[str, Any], text: str) -> None:
    message = new("WellKnown", **fields)
    assert written(message) == text
    assert written(read("WellKnown", text)) == text


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("2025-01-02T10:59:41.5Z", 1735815581, 500_000_000),
        ("2025-01-02T11:59:41.12345678+01:00", 1735815581, 123_456_780),
        ("2025-01-02T00:29:41-10:30", 1735815581, 0),
        ("0001-01-01T00:00:00-00:01", -62135596740, 0),
    ],
)
def test_times_of_other_forms_are_taken(text: str, seconds: int, nanos: int) -> None:
    message = read("WellKnown", f'{{"timestamp": "{text}"}}')
    assert (message.timestamp.seconds, message.timestamp.nanos) == (seconds, nanos)


UNWRITABLE: dict[str, dict[str, Any]] = {
    "timestamp after 9999": {"timestamp": {"seconds": 253402300800}},
    "timestamp before 1": {"timestamp": {"seconds": -62135596801}},
    "timestamp far out": {"timestamp": {"seconds": 1 << 62}},
    "timestamp nanos": {"timestamp": {"nanos": -1}},
    "duration range": {"duration": {"seconds": 315576000001}},
    "duration signs": {"duration": {"seconds": 1, "nanos": -1}},
    "mask that is no snake case": {"mask": {"paths": ["aB"]}},
    "mask with digits": {"mask": {"paths": ["a_1"]}},
    "free-form NaN": {"value": {"number_value": math.nan}},
    "any without type": {"any": {"value": b"a"}},
    "any of unknown type": {"any": {"type_url": "x/y.Z"}},
    "any with other bytes": {"any": {"type_url": "x/parley.test.codec.Tree", "value": b"\xff"}},
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_a_message_without_a_json_form_is_an_error(case: str) -> None:
    with pytest.raises(JsonError):
        codec("WellKnown").encode(new("WellKnown", **UNWRITABLE[case]))


def test_maps_have_text_keys() -> None:
    message = new("Maps", int64_int64={-5: 5}, bool_bool={True: False}, string_bytes={"": b"a"}, sint32_float={1: 0.1})
    assert written(message) == (
        '{"int64Int64":{"-5":"5"},"boolBool":{"true":false},"stringBytes":{"":"YQ=="},"sint32Float":{"1":0.1}}'
    )


def test_awkward_names_are_written_and_read() -> None:
    text = (
        '{"from":"a","class":"b","HasField":"","SetInParent":{},"lambda":"c",'
        '"other-name \\"quoted\\"":"d","snakeCaseName":"e","m":1,"o":2}'
    )
    assert written(read("Names", text)) == text


FULL: dict[str, Any] = {
    "record_id": "r",
    "total_count": 5,
    "role": 1,
    "tag_list": ["t"],
    "count_map": {"a": 1},
    "sub_tree": {"name": "s"},
    "note_text": "",
    "as_number": 0,
    "field_mask": {"paths": ["sub_tree"]},
}
CAMEL_FULL = (
    '{"recordId":"r","totalCount":"5","role":"user","tagList":["t"],"countMap":{"a":"1"},"subTree":{"name":"s"},'
    '"noteText":"","asNumber":"0","fieldMask":"subTree"}'
)
SNAKE_FULL = (
    '{"record_id":"r","total_count":5,"role":"user","tag_list":["t"],"count_map":{"a":1},"sub_tree":{"name":"s"},'
    '"note_text":"","as_number":0,"field_mask":"sub_tree"}'
)


@pytest.mark.parametrize(
    ("dialect", "full"),
    [
        (PLAIN, CAMEL_FULL),
        (Dialect(field_names=FieldNames.SNAKE, int64_form=Int64Form.NUMBER), SNAKE_FULL),
    ],
)
def test_a_dialect_says_names_and_integers(dialect: Dialect, full: str) -> None:
    message = new("Record", **FULL)
    assert written(message, dialect) == full
    assert read("Record", CAMEL_FULL, dialect) == message


def test_snake_case_documents_are_taken_everywhere() -> None:
    assert read("Record", SNAKE_FULL, SNAKE) == new("Record", **FULL)
    without_mask = SNAKE_FULL.replace(',"field_mask":"sub_tree"', "")
    assert read("Record", without_mask).total_count == 5


def test_default_form_writes_all_fields_without_presence() -> None:
    assert written(new("Record"), WRITTEN) == (
        '{"recordId":"","totalCount":"0","role":"ROLE_UNSPECIFIED","tagList":[],"countMap":{},'
        '"rawData":"","scoreValue":0.0,"isFinal":false}'
    )


def test_null_form_writes_unset_fields_as_null_but_no_members_of_a_oneof() -> None:
    assert written(new("Record"), SNAKE) == (
        '{"record_id":"","total_count":0,"role":"ROLE_UNSPECIFIED","tag_list":[],"count_map":{},"sub_tree":null,'
        '"note_text":null,"raw_data":"","score_value":0.0,"is_final":false,"field_mask":null}'
    )


def test_a_field_may_say_what_is_written_when_it_has_no_value() -> None:
    overrides = new("Overrides")
    assert written(overrides) == '{"always":"","nullText":null,"nullTree":null,"alwaysList":[]}'
    null = Dialect(unset_form=UnsetForm.NULL)
    assert written(overrides, null) == '{"always":"","nullText":null,"nullTree":null,"plainTree":null,"alwaysList":[]}'


@pytest.mark.parametrize("spelling", ['"user"', '"ROLE_USER"', "1"])
def test_an_enum_word_is_taken_beside_name_and_number(spelling: str) -> None:
    assert read("Record", f'{{"role": {spelling}}}') == new("Record", role=1)


def test_one_word_for_two_enum_values_fails_when_the_codec_is_made() -> None:
    pool = compiled_pool("clash_test.proto")
    with pytest.raises(ValueError, match="same stands for two values"):
        Codecs(pool).message(pool.FindMessageTypeByName("parley.test.clash.Clash"), PLAIN)


def test_an_enum_value_without_a_word_has_its_name() -> None:
    assert written(new("Record", role=3)) == '{"role":"ROLE_TOOL"}'


def test_encode_value_is_the_tree_of_encode() -> None:
    assert codec("Record").encode_value(new("Record", **FULL)) == {
        "recordId": "r",
        "totalCount": "5",
        "role": "user",
        "tagList": ["t"],
        "countMap": {"a": "1"},
        "subTree": {"name": "s"},
        "noteText": "",
        "asNumber": "0",
        "fieldMask": "subTree",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("google.protobuf.Timestamp", '"2025-01-02T10:59:41Z"'),
        ("google.protobuf.StringValue", '"a"'),
        ("google.protobuf.Struct", '{"a":[1]}'),
        ("google.protobuf.Value", "null"),
        ("google.protobuf.ListValue", "[[],{}]"),
        ("google.protobuf.Any", '{"@type":"x/google.protobuf.Duration","value":"1s"}'),
        ("google.protobuf.Empty", "{}"),
    ],
)
def test_a_well_known_message_is_a_document_of_its_own(name: str, text: str) -> None:
    alone = Codecs(POOL).message(POOL.FindMessageTypeByName(name), PLAIN)
    assert alone.encode(alone.decode(text.encode())).decode() == text


def test_a_codec_is_compiled_once_for_all_dialects_that_write_alike() -> None:
    assert codec("Record") is codec("Record", Dialect(authenticate_scheme="Other"))
    assert codec("Record") is not codec("Record", SNAKE)
