"""The tool calls of a stream are the same however a server slices them, and no stream breaks their assembly."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.provider.answer import Answer
from server.adapters.provider.call_assembly import MAX_CALL_CHARACTERS, MAX_CALLS
from server.adapters.provider.failures import Failures
from server.ports.provider import Piece, ProviderError, RequestedCall, TextPiece, ToolCallsPiece
from tests.support.upstream import wire
from tests.unit.providers.tool_streams import OFFERED, Deltas, asked


def _answer(*offered: str) -> Answer:
    return Answer(failures=Failures(provider="p", secrets=()), model="m", offered=offered or OFFERED)


def _chunk(finish_reason: str | None = None, **delta: Any) -> bytes:
    return wire.event(wire.completion_chunk(delta, finish_reason=finish_reason))


def _read(*chunks: bytes, offered: tuple[str, ...] = OFFERED) -> tuple[str, tuple[RequestedCall, ...]]:
    """Text and calls of a whole answer. Raises what makes it none."""
    answer = _answer(*offered)
    pieces: list[Piece] = [piece for chunk in chunks for piece in answer.feed(chunk)]
    if answer.failure is not None:
        raise answer.failure
    answer.end()
    said = answer.asked()
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece)), said.calls if said else ()


def _calls(*items: Any, finish_reason: str = "tool_calls") -> tuple[RequestedCall, ...]:
    """The calls of an answer with one event for each item."""
    return _read(*(_chunk(tool_calls=[item]) for item in items), _chunk(finish_reason))[1]


RECORDED = b"".join(
    [
        _chunk(role="assistant", content=None),
        _chunk(content="Zü"),
        _chunk(tool_calls=[{"index": 0, "id": "call_a", "type": "function", "function": {"name": "get_weather"}}]),
        _chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"city":'}}]),
        _chunk(content="rich"),
        _chunk(tool_calls=[{"index": 1, "id": "call_b", "function": {"name": "clock__now", "arguments": ""}}]),
        _chunk(tool_calls=[{"index": 0, "function": {"arguments": '"Zürich"'}}, {"index": 1, "function": {}}]),
        _chunk(tool_calls=[{"index": 0, "function": {"arguments": "}"}}]),
        _chunk(content=" 🏔"),
        _chunk("tool_calls"),
        wire.event(wire.usage_chunk(3, 2)),
        wire.DONE,
    ]
)
EXPECTED = (
    "Zürich 🏔",
    (RequestedCall("call_a", "get_weather", '{"city":"Zürich"}'), RequestedCall("call_b", "clock__now", "{}")),
)


def test_the_bytes_may_be_cut_anywhere() -> None:
    assert _read(RECORDED) == EXPECTED
    for at in range(len(RECORDED) + 1):
        assert _read(RECORDED[:at], RECORDED[at:]) == EXPECTED, at


def test_the_bytes_may_come_one_by_one() -> None:
    assert _read(*(RECORDED[at : at + 1] for at in range(len(RECORDED)))) == EXPECTED


@given(asked(), st.lists(st.sampled_from(["", "some ", "text"]), max_size=8))
def test_calls_are_the_same_however_they_are_sliced(
    stream: tuple[list[RequestedCall], list[Deltas]], words: list[str]
) -> None:
    calls, events = stream
    chunks = [
        _chunk(content=words[place] if place < len(words) else None, tool_calls=items)
        for place, items in enumerate(events)
    ]
    text, said = _read(*chunks, _chunk("tool_calls"))
    assert said == tuple(calls)
    assert text == "".join(words[: len(events)])


@pytest.mark.parametrize("reason", ["tool_calls", "stop", "function_call", "whatever"])
def test_every_finish_reason_is_an_end(reason: str) -> None:
    item = {"index": 0, "id": "1", "function": {"name": "get", "arguments": "{}"}}
    assert _calls(item, finish_reason=reason) == (RequestedCall("1", "get", "{}"),)


def test_done_alone_is_an_end() -> None:
    item = {"index": 0, "id": "1", "function": {"name": "get", "arguments": "{}"}}
    assert _read(_chunk(tool_calls=[item]), wire.DONE)[1] == (RequestedCall("1", "get", "{}"),)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
@pytest.mark.parametrize("arguments", ["", '{"a"'])
def test_arguments_that_were_cut_stay_as_they_are(reason: str, arguments: str) -> None:
    item = {"index": 0, "id": "1", "function": {"name": "get", "arguments": arguments}}
    assert _calls(item, finish_reason=reason) == (RequestedCall("1", "get", arguments),)


def test_a_body_that_ends_at_any_byte_before_its_mark_is_cut() -> None:
    finished = RECORDED.index(_chunk("tool_calls")) + len(_chunk("tool_calls"))
    for at in range(finished):
        with pytest.raises(ProviderError) as caught:
            _read(RECORDED[:at])
        assert caught.value.reason == "PROVIDER_STREAM_CUT"


def test_calls_without_ids_or_indices_in_one_event() -> None:
    items = [{"function": {"name": name, "arguments": '{"a":1}'}} for name in ("get", "clock__now")]
    calls = (RequestedCall("", "get", '{"a":1}'), RequestedCall("", "clock__now", '{"a":1}'))
    assert _read(_chunk("stop", tool_calls=items))[1] == calls


def test_calls_of_a_whole_message_at_the_end() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "get", "arguments": "{}"}}]
    calls += [{"id": "2", "type": "function", "function": {"name": "clock__now", "arguments": '{"a":1}'}}]
    message = {"role": "assistant", "content": "said", "tool_calls": calls}
    end = wire.event({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    expected = (RequestedCall("1", "get", "{}"), RequestedCall("2", "clock__now", '{"a":1}'))
    assert _read(_chunk(content="said"), end) == ("said", expected)
    in_deltas = [_chunk(tool_calls=[{**call, "index": index}]) for index, call in enumerate(calls)]
    assert _read(*in_deltas, end)[1] == expected


def test_a_call_as_it_was_before_there_could_be_several() -> None:
    begin, end = {"name": "get", "arguments": ""}, {"arguments": '{"a":1}'}
    chunks = [_chunk(function_call=begin), _chunk(function_call=end), _chunk("function_call")]
    assert _read(*chunks)[1] == (RequestedCall("", "get", '{"a":1}'),)


def test_indices_give_the_order_and_need_not_be_dense() -> None:
    items = [{"index": index, "id": str(index), "function": {"name": "get", "arguments": "{}"}} for index in (7, 2)]
    assert [call.provider_id for call in _calls(*items)] == ["2", "7"]


def test_a_call_of_which_nothing_came_is_none() -> None:
    assert _calls({"index": 0}, {"index": 0, "id": "", "function": {"name": "", "arguments": ""}}) == ()


def test_a_name_that_nobody_offered_and_no_name_are_left_as_they_are() -> None:
    assert _calls({"index": 0, "function": {"name": "rm -rf", "arguments": "{}"}})[0].name == "rm -rf"
    assert _calls({"index": 0, "function": {"arguments": "{}"}})[0].name == ""


def test_what_nobody_can_store_is_replaced() -> None:
    item = {"index": 0, "id": "a\x00", "function": {"name": "b\x00", "arguments": "{\x00}"}}
    assert _calls(item) == (RequestedCall("a\ufffd", "b\ufffd", "{\ufffd}"),)


def test_nothing_is_asked_of_whom_no_tool_was_offered_to() -> None:
    answer = Answer(failures=Failures(provider="p", secrets=()), model="m")
    assert answer.feed(RECORDED)
    assert (answer.asked(), answer.has_begun_to_ask, answer.failure) == (None, False, None)


BAD: list[Any] = [0, 1.5, True, "x", [], ["x"], [[]], {"a": 1}]


@pytest.mark.parametrize(
    "delta",
    [
        *({"tool_calls": bad} for bad in BAD if bad not in (0, [])),
        *({"tool_calls": [{"index": bad}]} for bad in [-1, 1.5, True, "0", [], {}]),
        *({"tool_calls": [{"index": 0, "id": bad}]} for bad in BAD if bad != "x"),
        *({"tool_calls": [{"index": 0, "function": bad}]} for bad in BAD if bad != {"a": 1}),
        *({"tool_calls": [{"index": 0, "function": {"name": bad}}]} for bad in BAD if bad != "x"),
        *({"tool_calls": [{"index": 0, "function": {"arguments": bad}}]} for bad in BAD if bad not in ("x", {"a": 1})),
        *({"function_call": bad} for bad in BAD if bad not in (0, [], {"a": 1})),
    ],
    ids=repr,
)
def test_what_is_not_the_protocol_is_an_error_of_the_provider(delta: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        _read(wire.event({"choices": [{"index": 0, "delta": delta}]}))
    assert caught.value.reason == "PROVIDER_PROTOCOL_ERROR"


@pytest.mark.parametrize(
    "message", [bad for bad in BAD if bad not in (0, [], {"a": 1})] + [{"tool_calls": "x"}], ids=repr
)
def test_a_whole_message_that_is_none_is_an_error_of_the_provider(message: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        _read(wire.event({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    assert caught.value.reason == "PROVIDER_PROTOCOL_ERROR"


def test_arguments_nested_too_deeply_are_an_error_of_the_provider() -> None:
    deep = orjson.loads('{"a":' * 500 + "1" + "}" * 500)
    with pytest.raises(ProviderError) as caught:
        _calls({"index": 0, "function": {"name": "get", "arguments": deep}})
    assert caught.value.reason == "PROVIDER_PROTOCOL_ERROR"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.just("{}"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["index", "id", "function", "name", "arguments", "tool_calls", "message", "delta", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=5), st.lists(json_values, max_size=5))
def test_no_value_is_more_than_an_error_of_the_provider(items: list[Any], choices: list[Any]) -> None:
    answer = _answer()
    for event in [{"choices": [{"delta": {"tool_calls": items}}]}, *({"choices": [choice]} for choice in choices)]:
        answer.feed(wire.event(event))
    assert answer.failure is None or answer.failure.reason.startswith("PROVIDER_")
    answer.asked()


def test_more_calls_than_anybody_runs_are_too_many() -> None:
    items = [{"index": index, "function": {"name": "get", "arguments": "{}"}} for index in range(MAX_CALLS + 1)]
    assert len(_calls(*items[:-1])) == MAX_CALLS
    with pytest.raises(ProviderError) as caught:
        _calls(*items)
    assert caught.value.reason == "OUTPUT_TOO_LONG"


def test_arguments_that_never_end_are_too_long() -> None:
    answer = _answer()
    fed = 0
    slice_ = wire.event(wire.completion_chunk({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 1000}}]}))
    while answer.failure is None:
        answer.feed(slice_)
        fed += 1000
        assert fed <= MAX_CALL_CHARACTERS + 1000
    assert answer.failure.reason == "OUTPUT_TOO_LONG"


def test_names_that_are_repeated_with_every_piece_do_not_add_up() -> None:
    name = "get_weather"
    item = {"index": 0, "id": "1", "function": {"name": name, "arguments": " "}}
    count = MAX_CALL_CHARACTERS // len(name) + 1
    answer = _answer()
    chunk = wire.event(wire.completion_chunk({"tool_calls": [item]}))
    for _ in range(count // 100 + 1):
        answer.feed(chunk * 100)
    answer.feed(wire.DONE)
    assert answer.failure is None
    assert answer.asked() == ToolCallsPiece((RequestedCall("1", name, "{}"),))
