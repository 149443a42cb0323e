"""The request says what was chosen, leaves open what was not, and shows tools as the protocol does."""

from typing import Any

import orjson
import pytest

from server.adapters.provider.chat_completion import request_body
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall
from server.domain.origin import Origin
from server.domain.tool import ToolSpec
from server.ports.provider import CompletionRequest


def _body(
    *messages: PromptMessage, generation: GenerationConfig, tools: tuple[ToolSpec, ...] = (), **options: str
) -> dict[str, Any]:
    request = CompletionRequest(messages, generation, tools)
    usual = {"provider": "acme", "base_url": "http://acme.example/v1", "max_tokens_field": "max_tokens"}
    body: dict[str, Any] = orjson.loads(request_body(request, **{**usual, **options}))
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


def test_tools_are_offered_with_their_schema_as_it_is_written() -> None:
    schema = '{"type": "object", "properties": {"zone": {"type": "string"}}}'
    body = _body(generation=GenerationConfig(model="m"), tools=(ToolSpec("clock", "Says the time.", schema),))
    parameters = {"type": "object", "properties": {"zone": {"type": "string"}}}
    function = {"name": "clock", "description": "Says the time.", "parameters": parameters}
    assert body["tools"] == [{"type": "function", "function": function}]


def test_an_id_of_the_provider_goes_back_to_it_alone() -> None:
    messages = (
        PromptMessage(Role.ASSISTANT, "hm", (ToolCall("call_1", "clock", "{}", "acme-1"),), origin=Origin("acme", "m")),
        PromptMessage(Role.TOOL, "12:00", tool_call_id="call_1"),
    )
    for provider, wanted in {"acme": "acme-1", "other": "call_1"}.items():
        asked, answered = _body(*messages, generation=GenerationConfig(model="m"), provider=provider)["messages"]
        assert (asked["content"], asked["tool_calls"][0]["id"], answered["tool_call_id"]) == ("hm", wanted, wanted)


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("clock", "", ("clock", "{}")),
        ("clock", '{"zone": ', ("clock", "{}")),
        ("clock", "[1]", ("clock", "{}")),
        ("clock", ' {"zone": 1} ', ("clock", ' {"zone": 1} ')),
        ("rm -rf /", "{}", ("rm_-rf__", "{}")),
        ("", "{}", ("_", "{}")),
        ("x" * 99, "{}", ("x" * 64, "{}")),
    ],
)
def test_a_call_that_no_provider_would_take_does_not_get_the_request_refused(
    name: str, arguments: str, wanted: tuple[str, str]
) -> None:
    message = PromptMessage(Role.ASSISTANT, "", (ToolCall("call_1", name, arguments),))
    function = _body(message, generation=GenerationConfig(model="m"))["messages"][0]["tool_calls"][0]["function"]
    assert (function["name"], function["arguments"]) == wanted


def test_what_the_server_of_the_url_demands_is_met() -> None:
    messages = (
        PromptMessage(Role.ASSISTANT, "", (ToolCall("call_1", "clock", "{}"),)),
        PromptMessage(Role.TOOL, "12:00", tool_call_id="call_1"),
    )
    body = _body(*messages, generation=GenerationConfig(model="large"), base_url="https://api.mistral.ai/v1")
    asked, answered = body["messages"]
    assert (len(answered["tool_call_id"]), answered["tool_call_id"]) == (9, asked["tool_calls"][0]["id"])
