"""Tool calls over real HTTP: whole however the bytes come, and never of an answer that came to no end."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role, ToolCall, Usage
from server.domain.origin import Origin
from server.domain.tool import ToolSpec
from server.ports.provider import (
    CompletionRequest,
    CutShort,
    Piece,
    Provider,
    ProviderError,
    ProviderParts,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)
from tests.integration.providers.conftest import Providers
from tests.support.upstream import FIN, HANG, RESET, Delta, Gate, Script, ScriptedUpstream, answer, stream, wire

TOOLS = (ToolSpec("clock", "Says the time.", '{"type":"object"}'), ToolSpec("dice", "", '{"type":"object"}'))
ASKED = (PromptMessage(Role.USER, "hi"),)
CALLS = (RequestedCall("a", "clock", '{"zone":"Zürich"}'), RequestedCall("b", "dice", "{}"))


def _delta(index: int, arguments: str | None = None, **more: Any) -> Delta:
    function = {
        name: value for name, value in {"name": more.pop("name", None), "arguments": arguments}.items() if value
    }
    return Delta({"tool_calls": [{"index": index, "function": function, **more}]})


PARTS = (
    "Let me ",
    _delta(0, id="a", name="clock"),
    _delta(0, '{"zone":'),
    "look",
    _delta(1, id="b", name="dice"),
    _delta(0, '"Zür'),
    _delta(1, "{"),
    _delta(0, 'ich"}'),
    _delta(1, "}"),
    ".",
)


def _asking(*, finish_reason: str | None = "tool_calls", done: bool = True) -> Script:
    return answer(*PARTS, usage=(3, 2), finish_reason=finish_reason, done=done)


async def _collect(
    provider: Provider, messages: tuple[PromptMessage, ...] = ASKED, tools: tuple[ToolSpec, ...] = TOOLS
) -> tuple[list[Piece], ProviderError | None]:
    """What was given, and what went wrong behind it."""
    taken: list[Piece] = []
    try:
        async with aclosing(provider.stream(CompletionRequest(messages, GenerationConfig(model="m"), tools))) as pieces:
            async for piece in pieces:
                taken.append(piece)  # noqa: PERF401 - what was taken before a failure is the point
    except ProviderError as error:
        return taken, error
    return taken, None


def _text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, TextPiece))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
async def test_slices_of_any_size_give_the_same_calls_behind_the_text(
    upstream: ScriptedUpstream, providers: Providers, size: int
) -> None:
    upstream.script(_asking().sliced(size))
    pieces, error = await _collect(providers.make())
    assert (_text(pieces), error) == ("Let me look.", None)
    assert pieces[-2:] == [ToolCallsPiece(CALLS), UsageReport(Usage(3, 2, 5))]


@pytest.mark.parametrize("end", [FIN, RESET])
async def test_an_answer_that_breaks_off_asks_for_nothing(
    upstream: ScriptedUpstream, providers: Providers, end: Any
) -> None:
    provider = providers.make()
    script = _asking(done=False)
    # Every byte is tried without a socket beside the assembly's own tests; the last ones end the body in order.
    for at in [*range(1, script.size, 101), *range(script.size - 8, script.size)]:
        upstream.script(script.cut(at, then=end))
        pieces, error = await _collect(provider)
        assert error is not None, at
        assert not any(isinstance(piece, ToolCallsPiece) for piece in pieces), at


async def test_what_is_sent(upstream: ScriptedUpstream, providers: Providers) -> None:
    upstream.script(answer("x"), answer("x"))
    await _collect(providers.make())
    await _collect(providers.make(), tools=())
    first, second = upstream.requests
    parameters = {"type": "object"}
    assert first.body["tools"] == [
        {"type": "function", "function": {"name": "clock", "description": "Says the time.", "parameters": parameters}},
        {"type": "function", "function": {"name": "dice", "description": "", "parameters": parameters}},
    ]
    assert "tools" not in second.body


async def test_a_round_goes_back_to_its_provider_as_it_came_and_to_another_without_what_was_its(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    signed = {"google": {"thought_signature": "sig"}}
    upstream.script(answer(_delta(0, "{}", id="a", name="dice", extra_content=signed)), answer("x"), answer("x"))
    acme = providers.make()
    (asked, parts, _), error = await _collect(acme)
    assert error is None
    assert isinstance(asked, ToolCallsPiece)
    assert isinstance(parts, ProviderParts)
    (call,) = asked.calls
    for origin in (Origin("acme", "m"), Origin("other", "m")):
        said = PromptMessage(
            Role.ASSISTANT,
            "",
            (ToolCall("call_1", call.name, call.arguments, call.provider_id),),
            origin=origin,
            provider_parts=parts.json,
        )
        await _collect(acme, (*ASKED, said, PromptMessage(Role.TOOL, "six", tool_call_id="call_1")))
    sent = [request.body["messages"][1:] for request in upstream.requests[1:]]
    function = {"name": "dice", "arguments": "{}"}
    assert sent == [
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": function, "extra_content": signed}],
            },
            {"role": "tool", "content": "six", "tool_call_id": "a"},
        ],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            },
            {"role": "tool", "content": "six", "tool_call_id": "call_1"},
        ],
    ]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_reached_a_limit_says_so_behind_its_calls(
    upstream: ScriptedUpstream, providers: Providers, reason: str
) -> None:
    upstream.script(answer(_delta(0, '{"zone":', id="a", name="clock"), finish_reason=reason, usage=None))
    pieces, error = await _collect(providers.make())
    assert pieces == [ToolCallsPiece((RequestedCall("a", "clock", '{"zone":'),)), CutShort()]
    assert error is None


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((wire.event({"error": {"message": "overloaded", "code": 503}}),), "PROVIDER_REPORTED_ERROR"),
        ((wire.event({"choices": [{"delta": {}, "finish_reason": "error"}]}),), "PROVIDER_REPORTED_ERROR"),
        ((_delta(-1, "{}"),), "PROVIDER_PROTOCOL_ERROR"),
        ((Delta({"tool_calls": {"0": {}}}),), "PROVIDER_PROTOCOL_ERROR"),
        ((b"data: {nonsense\n\n",), "PROVIDER_PROTOCOL_ERROR"),
        ((_delta(0, "x" * 10_000_000),), "PROVIDER_PROTOCOL_ERROR"),
        (tuple(_delta(0, "x" * 100_000) for _ in range(100)), "OUTPUT_TOO_LONG"),
        (tuple(_delta(index, "{}", name="dice") for index in range(2, 200)), "OUTPUT_TOO_LONG"),
    ],
    ids=["error", "finish error", "index", "object", "nonsense", "10 MB at once", "10 MB in slices", "200 calls"],
)
async def test_an_answer_that_goes_wrong_behind_its_calls_asks_for_nothing(
    upstream: ScriptedUpstream, providers: Providers, parts: tuple[Any, ...], reason: str
) -> None:
    upstream.script(answer(*PARTS, *parts))
    pieces, error = await _collect(providers.make())
    assert not any(isinstance(piece, ToolCallsPiece) for piece in pieces)
    assert error is not None
    assert error.reason == reason
    assert "xxx" not in error.message


async def test_a_call_that_comes_slowly_is_waited_for_as_a_text_is(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    begun = Gate()
    upstream.script(stream(_delta(0, "{", id="a", name="dice"), begun, HANG))
    begun.open()
    pieces, error = await _collect(providers.make(between_tokens=timedelta(milliseconds=50)))
    assert pieces == []
    assert error is not None
    assert (error.reason, error.retryable) == ("PROVIDER_STALLED", True)


async def test_a_consumer_that_leaves_between_two_pieces_of_a_call_ends_the_request(
    upstream: ScriptedUpstream, providers: Providers
) -> None:
    begun = Gate()
    upstream.script(stream(_delta(0, "{", id="a", name="dice"), begun))
    reading = asyncio.create_task(_collect(providers.make()))
    await asyncio.wait_for(begun.reached(), 5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.wait_for(upstream.gave_up(), 5)
