"""The request says what was chosen, leaves open what was not, and shows tools as the protocol does."""

from typing import Any

import orjson
import pytest

from server.adapters.provider.chat_completion import request_body
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall
from server.ports.provider import CompletionRequest


def _body(*messages: PromptMessage, generation: GenerationConfig, **options: str) -> dict[str, Any]:
    request = CompletionRequest(messages, generation)
    body: dict[str, Any] = orjson.loads(request_body(request, **{"max_tokens_field": "max_tokens", **options}))
    return body


def test_only_what_was_chosen_is_sent() -> None:
    body = _body(PromptMessage(Role.USER, "hi 🏔"), generation=GenerationConfig(model="openai/gpt-4o"))
    assert body == {
        "model": "openai/gpt-4o",
        "messages": [{"role": "user", "content": "hi 🏔"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_zero_is_a_choice() -> None:
    body = _body(generation=GenerationConfig(model="m", temperature=0.0, max_tokens=1, top_p=0.0))
    assert (body["temperature"], body["max_tokens"], body["top_p"]) == (0.0, 1, 0.0)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_bears_the_provider_s_name_for_it(field: str) -> None:
    body = _body(generation=GenerationConfig(model="m", max_tokens=9), max_tokens_field=field)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == {field: 9}


def test_tool_calls_and_their_results() -> None:
    calls = (ToolCall("call_1", "clock", '{"zone": "CET"}'),)
    body = _body(
        PromptMessage(Role.SYSTEM, "be brief"),
        PromptMessage(Role.ASSISTANT, "", tool_calls=calls),
        PromptMessage(Role.TOOL, "12:00", tool_call_id="call_1"),
        generation=GenerationConfig(model="m"),
    )
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone": "CET"}'}}
            ],
        },
        {"role": "tool", "content": "12:00", "tool_call_id": "call_1"},
    ]
