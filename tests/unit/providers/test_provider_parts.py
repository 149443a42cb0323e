"""What a provider wants to see again comes back to it as it was, to nobody else, and never breaks an answer."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.adapters.provider.answer import Answer
from server.adapters.provider.chat_completion import request_body
from server.adapters.provider.failures import Failures
from server.adapters.provider.provider_parts import MAX_PARTS_BYTES, call_fields, message_fields
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall
from server.domain.origin import Origin
from server.ports.provider import CompletionRequest, ProviderParts, ToolCallsPiece
from tests.support.upstream import wire
from tests.unit.providers.test_tool_calls import json_values

ACME = Origin("acme", "large")


def _answer(*deltas: dict[str, Any], offered: tuple[str, ...] = ("get",)) -> Answer:
    """A whole answer."""
    answer = Answer(failures=Failures(provider="p", secrets=()), model="m", offered=offered)
    for delta in deltas:
        answer.feed(wire.event(wire.completion_chunk(delta)))
    answer.feed(wire.DONE)
    assert answer.failure is None
    return answer


def _again(answer: Answer, *, target: Origin = ACME, text: str = "said") -> dict[str, Any]:
    """The answer, of ACME's, as `target` sees it in a later request."""
    asked = answer.asked() or ToolCallsPiece(())
    parts = answer.provider_parts()
    calls = tuple(
        ToolCall(f"call_{place}", call.name, call.arguments, call.provider_id) for place, call in enumerate(asked.calls)
    )
    message = PromptMessage(Role.ASSISTANT, text, calls, None, ACME, parts.json if parts else None)
    request = CompletionRequest((message,), GenerationConfig(model=target.model))
    body = orjson.loads(
        request_body(request, provider=target.provider, base_url="http://x/v1", max_tokens_field="max_tokens")
    )
    shown: dict[str, Any] = body["messages"][0]
    return shown


def _call(index: int, **more: Any) -> dict[str, Any]:
    return {"index": index, "id": f"id-{index}", "function": {"name": "get", "arguments": "{}"}, **more}


def _text(text: str | None, **more: Any) -> dict[str, Any]:
    return {"reasoning_details": [{"type": "reasoning.text", "text": text, "format": "v1", "index": 0, **more}]}


def test_pieces_of_a_block_become_one_with_its_signature_and_others_stay_apart() -> None:
    encrypted = {"type": "reasoning.encrypted", "data": "abc", "id": "id-0", "index": 1}
    answer = _answer(
        {**_text("ha", signature=None), "reasoning": "ha"},
        _text("ha"),
        _text(None, signature="sig"),
        {"reasoning_details": [encrypted]},
        {"tool_calls": [_call(0)]},
    )
    block = {"type": "reasoning.text", "text": "haha", "format": "v1", "index": 0, "signature": "sig"}
    assert _again(answer)["reasoning_details"] == [block, encrypted]


def test_blocks_without_an_index_end_with_their_signature() -> None:
    pieces = [
        {"type": "thinking", "thinking": "a"},
        {"type": "thinking", "thinking": "b", "signature": "1"},
        {"type": "thinking", "thinking": "c", "signature": "2"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "redacted_thinking", "data": "y"},
    ]
    shown = _again(_answer(*({"thinking_blocks": [piece]} for piece in pieces)))
    assert shown["thinking_blocks"] == [{"type": "thinking", "thinking": "ab", "signature": "1"}, *pieces[2:]]


def test_signatures_of_calls_go_back_with_their_calls() -> None:
    first, second = {"google": {"thought_signature": "one"}}, {"google": {"thought_signature": "two"}}
    answer = _answer({"tool_calls": [_call(1, extra_content=second)]}, {"tool_calls": [_call(0), _call(2)]})
    calls = _again(answer)["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [None, second, None]
    both = _answer({"tool_calls": [_call(0, extra_content=first), _call(1, extra_content=second)]})
    assert [call["extra_content"] for call in _again(both)["tool_calls"]] == [first, second]


def test_a_signature_finds_its_call_when_others_are_gone() -> None:
    parts = _answer({"tool_calls": [_call(0), _call(1, thought_signature="sig")]}).provider_parts()
    assert parts is not None
    left = [ToolCall("id-1", "get", "{}")]
    assert call_fields(parts.json, left) == [{"thought_signature": "sig"}]
    assert call_fields(parts.json, [ToolCall("call_9", "get", "{}")]) == [{}]


def test_of_a_text_only_the_signature_goes_back() -> None:
    answer = _answer(
        {"content": "hm", "extra_content": {"google": {"thought": True}}},
        {"content": "", "extra_content": {"google": {"thought_signature": "sig"}, "x": 1, "y": {"z": 1}}},
    )
    assert _again(answer)["extra_content"] == {"google": {"thought_signature": "sig"}}


def test_reasoning_goes_back_only_where_it_came_as_what_is_wanted_back_and_tools_were_offered() -> None:
    pieces = ({"reasoning_content": "hm, "}, {"reasoning_content": "so"}, {"content": "said"})
    assert _again(_answer(*pieces))["reasoning_content"] == "hm, so"
    assert _answer(*pieces, offered=()).provider_parts() is None
    assert _answer({"reasoning": "hm"}).provider_parts() is None


def test_reasoning_goes_back_once() -> None:
    shown = _again(_answer({"reasoning_content": "hm", **_text("hm")}))
    assert ("reasoning_content" in shown, len(shown["reasoning_details"])) == (False, 1)


def test_parts_of_a_whole_message_at_the_end_count_unless_they_came_before() -> None:
    message = {"role": "assistant", "content": "said", **_text("hm", signature="sig")}
    end = wire.event({"choices": [{"message": message, "finish_reason": "stop"}]})
    for before in ([], [_text("hm"), _text(None, signature="sig")]):
        answer = Answer(failures=Failures(provider="p", secrets=()), model="m")
        for delta in before:
            answer.feed(wire.event(wire.completion_chunk(delta)))
        answer.feed(end)
        assert _again(answer)["reasoning_details"] == message["reasoning_details"]


@pytest.mark.parametrize("target", [Origin("other", "large"), Origin("acme", "small")])
def test_nobody_else_sees_any_of_it(target: Origin) -> None:
    answer = _answer(
        {"reasoning_content": "secret", "extra_content": {"google": {"thought_signature": "secret"}}},
        {"thinking_blocks": [{"type": "thinking", "thinking": "secret"}]},
        {"tool_calls": [_call(0, extra_content={"google": {"thought_signature": "secret"}})]},
    )
    assert answer.provider_parts() is not None
    assert "secret" not in str(_again(answer, target=target))


def test_too_many_blocks_are_dropped_whole_and_signatures_of_calls_stay() -> None:
    answer = _answer(
        *(_text("x" * 1000, index=index) for index in range(MAX_PARTS_BYTES // 1000 + 1)),
        _text(None, signature="sig"),
        {"tool_calls": [_call(0, extra_content={"google": {"thought_signature": "sig"}})]},
    )
    shown = _again(answer)
    assert "reasoning_details" not in shown
    assert shown["tool_calls"][0]["extra_content"]


def test_too_much_reasoning_is_cut() -> None:
    answer = _answer(*({"reasoning_content": "ü" * 1000} for _ in range(200)))
    parts = answer.provider_parts()
    assert parts is not None
    assert 0.5 * MAX_PARTS_BYTES < len(parts.json.encode()) <= MAX_PARTS_BYTES
    assert set(message_fields(parts.json)["reasoning_content"]) == {"ü"}


blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning.text", "reasoning.encrypted", "thinking"]) | json_values},
    optional={
        name: st.text(max_size=3) | st.just("y" * 30_000) | json_values
        for name in ("text", "thinking", "signature", "index", "data")
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_details": st.lists(blocks, max_size=3) | json_values,
        "thinking_blocks": st.lists(blocks, max_size=3) | json_values,
        "extra_content": st.dictionaries(st.text(max_size=2), st.fixed_dictionaries({"thought_signature": json_values}))
        | json_values,
        "reasoning_content": st.text(max_size=3) | st.just("z" * 40_000),
        "tool_calls": st.builds(
            lambda extra: [_call(0, extra_content=extra, thought_signature=extra)], json_values | st.just("w" * 40_000)
        ),
    },
)


@given(st.lists(deltas, max_size=4))
def test_whatever_comes_is_json_of_bounded_size_that_can_be_sent_again(sent: list[dict[str, Any]]) -> None:
    answer = _answer(*sent)
    parts = answer.provider_parts()
    assert parts is None or len(parts.json.encode()) <= MAX_PARTS_BYTES
    shown = _again(answer)
    assert (shown["role"], shown["content"]) == ("assistant", "said")


@pytest.mark.parametrize("depth", [500, *range(240, 256)])
def test_parts_nested_too_deeply_are_left_out(depth: int) -> None:
    deep = orjson.loads('{"a":' * depth + "1" + "}" * depth)
    answer = _answer(
        {"reasoning_details": [{"type": "x", "data": deep}], "extra_content": {"google": deep}},
        {"tool_calls": [_call(0, extra_content=deep)]},
    )
    assert answer.provider_parts() is None


@pytest.mark.parametrize(
    "parts", ["", "x", "[]", '{"message":1,"calls":1}', '{"message":{"role":"user"},"calls":[1,{}]}']
)
def test_parts_that_nobody_wrote_are_nothing(parts: str) -> None:
    assert message_fields(parts) == {}
    assert call_fields(parts, [ToolCall("1", "get", "{}")]) == [{}]


origins = st.builds(Origin, st.sampled_from(["acme", "other", "third"]), st.sampled_from(["large", "small"]))


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Origin, PromptMessage, PromptMessage]]:
    """Answers of several origins with the result of their call, whose ids and parts name the origin."""
    history = []
    for place, origin in enumerate(draw(st.lists(origins, max_size=6))):
        mark = f"<{origin.provider}/{origin.model}>"
        answer = _answer(
            {"reasoning_content": f"{mark}thought"},
            {"extra_content": {"google": {"thought_signature": f"{mark}signature"}}},
            {"tool_calls": [{**_call(0, thought_signature=f"{mark}signed"), "id": f"<{origin.provider}>{place % 2}"}]},
        )
        asked, parts = answer.asked(), answer.provider_parts()
        assert asked is not None
        assert parts is not None
        call = ToolCall(f"call_{place}", "get", "{}", asked.calls[0].provider_id)
        message = PromptMessage(Role.ASSISTANT, "", (call,), None, origin, parts.json)
        history.append((origin, message, PromptMessage(Role.TOOL, "done", tool_call_id=call.id)))
    return history


@given(histories(), origins)
def test_no_request_holds_anything_of_another_s(
    history: list[tuple[Origin, PromptMessage, PromptMessage]], target: Origin
) -> None:
    messages = tuple(message for _, *pair in history for message in pair)
    request = CompletionRequest(messages, GenerationConfig(model=target.model))
    body = request_body(
        request, provider=target.provider, base_url="http://x/v1", max_tokens_field="max_tokens"
    ).decode()
    for origin in {origin for origin, *_ in history}:
        assert (f"<{origin.provider}/{origin.model}>" in body) == (origin == target)
        assert origin.provider == target.provider or f"<{origin.provider}>" not in body


def test_parts_come_behind_what_is_asked_for() -> None:
    rest = list(_answer({"reasoning_content": "hm"}, {"tool_calls": [_call(0)]}).rest())
    assert [type(piece) for piece in rest] == [ToolCallsPiece, ProviderParts]
