"""How deep a document may be: 64 levels, 24 in free-form values, and never more than its bytes may be."""

import sys
from collections.abc import Callable

import pytest

from gateway.core.codec import JsonError
from tests.unit.gateway.codec.protos import LENIENT, codec, new, read, refusal, written


def nested(opening: str, closing: str, levels: int, core: str = "{}") -> str:
    return opening * levels + core + closing * levels


@pytest.mark.parametrize(
    ("opening", "closing", "per_level"),
    [('{"child":', "}", 1), ('{"children":[', "]}", 2), ('{"named":{"a":', "}}", 2)],
)
def test_messages_may_be_64_levels_deep(opening: str, closing: str, per_level: int) -> None:
    most = 63 // per_level
    message = read("Tree", nested(opening, closing, most))
    assert type(message).FromString(message.SerializeToString()) == message
    error = refusal("Tree", nested(opening, closing, most + 1))
    assert "nested too deeply" in error.description


@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ("[", "]")])
def test_free_form_values_may_be_24_levels_deep(opening: str, closing: str) -> None:
    message = read("WellKnown", f'{{"value": {nested(opening, closing, 24, "1")}}}')
    assert type(message).FromString(message.SerializeToString()) == message
    error = refusal("WellKnown", f'{{"value": {nested(opening, closing, 25, "1")}}}')
    assert "nested too deeply" in error.description


def test_a_document_that_is_taken_can_be_read_back_from_its_bytes() -> None:
    deepest = 0
    for outer in range(1, 64):
        for inner in (24, 12, 6, 1):
            text = nested('{"child":', "}", outer, f'{{"attributes":{nested("{", "}", 0, "")}{nested_struct(inner)}}}')
            try:
                message = read("Tree", text)
            except JsonError:
                continue
            assert type(message).FromString(message.SerializeToString()) == message
            deepest = max(deepest, outer + inner)
    assert deepest >= 64


def nested_struct(levels: int) -> str:
    return nested('{"a":', "}", levels, "1")


def test_a_nested_struct_makes_the_round_trip() -> None:
    text = '{"struct":{"a":{"b":[1,"x",null,{"c":[[],{}]}]},"d":-1.5,"e":true}}'
    message = read("WellKnown", text)
    assert read("WellKnown", written(message)) == message


def test_unlimited_depth_of_a_message_is_no_recursion_error_when_it_is_written() -> None:
    message = tree = new("Tree")
    for _ in range(3 * sys.getrecursionlimit()):
        tree = tree.child
    tree.name = "deep"
    with pytest.raises(JsonError, match="nested too deeply"):
        codec("Tree").encode(message)
    with pytest.raises(JsonError, match="nested too deeply"):
        codec("Tree").encode_value(message)


def test_little_stack_is_no_recursion_error() -> None:
    """A caller that is deep in its own stack gets a JsonError, too."""
    body = nested('{"child":', "}", 60).encode()

    def at_depth(frames: int, call: Callable[[], object]) -> None:
        if frames:
            at_depth(frames - 1, call)
        else:
            call()

    limit = sys.getrecursionlimit()
    outcomes = set()
    for spare in range(40, 200, 8):
        depth = limit - frames_in_use() - spare
        try:
            at_depth(depth, lambda: codec("Tree").decode(body))
            outcomes.add("read")
        except JsonError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def frames_in_use() -> int:
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment]  # the outermost frame has none
    return count


def test_ignored_parts_may_not_be_deeper_either() -> None:
    body = '{"x": ' + nested("[", "]", 80, "") + "}"
    assert "nested too deeply" in refusal("Tree", body, LENIENT).description
