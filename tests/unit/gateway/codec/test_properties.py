"""What holds for every message and every document, generated from the descriptors of the test messages."""

import json
import math
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.codec import JsonError
from gateway.core.dialect import UnsetForm
from tests.unit.gateway.codec.protos import DIALECTS, LENIENT, POOL, codec, descriptor, new
from tests.unit.gateway.codec.strategies import json_trees, messages

EVERYTHING = descriptor("Everything")
TYPES = ("Everything", "Scalars", "Optionals", "Lists", "Maps", "Tree", "WellKnown", "Choice", "Names", "Record")
COMPARED = ("Everything", "Names")  # without enum words, which json_format does not know
quickly = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])

some_message = st.sampled_from(TYPES).flatmap(lambda name: messages(descriptor(name)))


def same(one: Any, other: Any) -> bool:
    """Say whether two messages have the same bytes, in which NaN equals itself."""
    left, right = (each.SerializeToString(deterministic=True) for each in (one, other))
    return bool(left == right)


def parsed(name: str, body: bytes) -> Any:
    """Read a document with json_format; None when it refuses it."""
    try:
        return json_format.Parse(body, new(name), descriptor_pool=POOL)
    except (json_format.ParseError, RecursionError, UnicodeError):
        return None


@quickly
@given(some_message, st.sampled_from(sorted(DIALECTS)))
def test_a_message_reads_back_from_its_json_in_every_dialect(message: Any, dialect: str) -> None:
    one = codec(message.DESCRIPTOR.name, DIALECTS[dialect])
    body = one.encode(message)
    back = one.decode(body)
    if DIALECTS[dialect].unset_form is UnsetForm.NULL:
        # An unset `Value` is written as null there, which reads as a Value that is null.
        assert one.encode_value(back) == one.encode_value(message)
    else:
        assert same(back, message)
    assert orjson.loads(body) == one.encode_value(message)


@quickly
@given(st.sampled_from(COMPARED).flatmap(lambda name: messages(descriptor(name))))
def test_a_message_is_written_as_json_format_writes_it(message: Any) -> None:
    theirs = json_format.MessageToDict(message, descriptor_pool=POOL)
    assert codec(message.DESCRIPTOR.name).encode_value(message) == theirs


@quickly
@given(st.sampled_from(COMPARED).flatmap(lambda name: messages(descriptor(name))))
def test_a_document_of_json_format_is_read_as_json_format_reads_it(message: Any) -> None:
    body = json_format.MessageToJson(message, descriptor_pool=POOL).encode()
    theirs = parsed(message.DESCRIPTOR.name, body)
    assert theirs is None or same(codec(message.DESCRIPTOR.name).decode(body), theirs)


@st.composite
def near_documents(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a valid document of a message in which one part is replaced by anything."""
    name = draw(st.sampled_from(TYPES))
    tree: Any = codec(name).encode_value(draw(messages(descriptor(name))))
    spot: Any = tree
    while isinstance(spot, (dict, list)) and spot:
        key = draw(st.sampled_from(sorted(spot) if isinstance(spot, dict) else range(len(spot))))
        if not isinstance(spot[key], (dict, list)) or not spot[key] or draw(st.booleans()):
            spot[key] = draw(json_trees)
            break
        spot = spot[key]
    return name, json.dumps(tree, ensure_ascii=draw(st.booleans()), allow_nan=False).encode()


@quickly
@given(near_documents())
def test_where_both_accept_a_document_they_read_the_same(case: tuple[str, bytes]) -> None:
    name, body = case
    theirs = parsed(name, body)
    try:
        ours = codec(name).decode(body)
    except JsonError:
        return
    assert theirs is None or same(ours, theirs)


@st.composite
def repeated_keys(draw: st.DrawFn) -> tuple[str, bytes]:
    """Draw a valid document in which one object gives one key twice."""
    name = draw(st.sampled_from(TYPES))
    tree = codec(name).encode_value(draw(messages(descriptor(name)).filter(lambda message: message.ListFields())))
    objects: list[dict[str, Any]] = []

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            objects.extend([part] * bool(part))
            part = list(part.values())
        if isinstance(part, list):
            for member in part:
                collect(member)

    collect(tree)
    doubled = draw(st.sampled_from(objects))
    again = draw(st.sampled_from(sorted(doubled)))
    gap = draw(st.sampled_from(["", " ", "\n\t"]))

    def text(part: Any) -> str:
        if isinstance(part, dict):
            pairs = [*part.items(), *([(again, part[again])] if part is doubled else [])]
            return "{" + ",".join(f"{json.dumps(key)}{gap}:{text(member)}" for key, member in pairs) + "}"
        if isinstance(part, list):
            return "[" + ",".join(text(member) for member in part) + "]"
        return json.dumps(part, ensure_ascii=False)

    return name, text(tree).encode()


@quickly
@given(repeated_keys())
def test_a_key_given_twice_is_always_refused(case: tuple[str, bytes]) -> None:
    name, body = case
    with pytest.raises(JsonError, match="given twice"):
        codec(name).decode(body)


@quickly
@given(st.sampled_from(TYPES), st.binary(max_size=64))
def test_any_bytes_are_a_message_or_a_json_error(name: str, body: bytes) -> None:
    read_or_refused(name, body)


@quickly
@given(near_documents(), st.data())
def test_a_damaged_document_is_a_message_or_a_json_error(case: tuple[str, bytes], data: st.DataObject) -> None:
    name, body = case
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))
    read_or_refused(name, body[:start] + data.draw(st.binary(max_size=4)) + body[end:])


@quickly
@given(st.sampled_from(TYPES), json_trees)
def test_any_tree_is_a_message_or_a_json_error(name: str, tree: Any) -> None:
    body = json.dumps(tree, allow_nan=False).encode()
    for dialect in DIALECTS.values():
        try:
            codec(name, dialect).decode(body)
        except JsonError:
            continue


def read_or_refused(name: str, body: bytes) -> None:
    """Read a document in two dialects; what is accepted can be written and read back."""
    for dialect in (DIALECTS["plain"], LENIENT):
        one = codec(name, dialect)
        try:
            message = one.decode(body)
        except JsonError as error:
            refused = error
        else:
            assert same(one.decode(one.encode(message)), message)
            continue
        assert len(refused.field) <= 256
        assert len(refused.description) < 600


@quickly
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_written_in_its_shortest_form(value: float) -> None:
    text = codec("Scalars").encode_value(new("Scalars", float_value=value)).get("floatValue", 0.0)
    digits = len(f"{text:e}".partition("e")[0].rstrip("0").replace(".", "").lstrip("-"))
    shorter = [float(f"{value:.{count}g}") for count in range(1, digits)]
    assert new("Scalars", float_value=text).float_value == value
    if abs(value) > math.ldexp(1, -126):  # below, floats have fewer digits than the fewest that are tried
        assert all(new("Scalars", float_value=each).float_value != value for each in shorter)
