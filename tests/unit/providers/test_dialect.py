"""A history that another model left is one that each server takes; what a server takes anyway is left as it is."""

import copy
import re
from typing import Any

import pytest

from server.adapters.provider.dialect import adapt

OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
DEEPSEEK = "https://api.deepseek.com/v1"
MISTRAL = "https://api.mistral.ai/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


def _call(call_id: str, **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "get", "arguments": "{}"}, **more}


HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "tool_calls": [_call("call_1"), _call("abcDEF123")]},
    {"role": "tool", "content": "one", "tool_call_id": "call_1"},
    {"role": "tool", "content": "two", "tool_call_id": "abcDEF123"},
    {"role": "assistant", "content": "so"},
]


def _adapted(base_url: str, model: str, messages: list[dict[str, Any]] = HISTORY) -> list[dict[str, Any]]:
    shown = copy.deepcopy(messages)
    adapt(shown, base_url=base_url, model=model)
    return shown


@pytest.mark.parametrize(
    ("base_url", "model"),
    [
        (OPENAI, "gpt-4o"),
        (OPENROUTER, "deepseek/deepseek-v4"),
        (OPENROUTER, "google/gemini-3-pro"),
        (GEMINI, "gemini-2.5-flash"),
        ("https://notdeepseek.com/v1", "m"),
        ("http://localhost:11434/v1", "qwen"),
    ],
)
def test_most_servers_get_the_history_as_it_is(base_url: str, model: str) -> None:
    assert _adapted(base_url, model) == HISTORY


@pytest.mark.parametrize(
    ("base_url", "model"),
    [(MISTRAL, "anything"), (OPENROUTER, "mistralai/Devstral-2"), ("http://x/v1", "Mixtral-8x7B")],
)
def test_mistral_gets_ids_of_its_form(base_url: str, model: str) -> None:
    _, _, asked, one, two, _ = _adapted(base_url, model)
    first, second = (call["id"] for call in asked["tool_calls"])
    assert re.fullmatch("[a-zA-Z0-9]{9}", first)
    assert (one["tool_call_id"], two["tool_call_id"], second) == (first, "abcDEF123", "abcDEF123")


def test_deepseek_gets_reasoning_with_every_answer() -> None:
    history = [*HISTORY, {"role": "assistant", "content": "x", "reasoning_content": "hm"}]
    shown = _adapted(DEEPSEEK, "deepseek-chat", history)
    assert [message.get("reasoning_content") for message in shown] == [
        *(None, None, "(not kept)", None, None),
        *("(not kept)", "hm"),
    ]


def test_gemini_gets_a_signature_with_the_first_call_of_a_round() -> None:
    signed = {"google": {"thought_signature": "sig"}}
    history = [
        *HISTORY,
        {"role": "assistant", "content": None, "tool_calls": [_call("a"), _call("b", extra_content=signed)]},
    ]
    shown = _adapted(GEMINI, "gemini-3-pro", history)
    skipped = {"google": {"thought_signature": "skip_thought_signature_validator"}}
    extras = [call.get("extra_content") for message in shown for call in message.get("tool_calls", ())]
    assert extras == [skipped, None, None, signed]
