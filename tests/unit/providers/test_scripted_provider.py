"""The scripted provider plays what the test wrote and reports what became of its streams."""

import asyncio
from contextlib import aclosing

import pytest

from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.ports.provider import CompletionRequest, Piece, ProviderError, ReasoningPiece, TextPiece
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.support.upstream.gate import Gate

REQUEST = CompletionRequest((PromptMessage(Role.USER, "hi"),), GenerationConfig(model="m"))


async def _collect(provider: ScriptedProvider) -> list[Piece]:
    return [piece async for piece in provider.stream(REQUEST)]


async def test_plays_pieces_in_order_and_records_the_request() -> None:
    provider = ScriptedProvider()
    provider.script(ReasoningPiece("hm"), "a", TextPiece("b"), usage(1, 2))
    assert await _collect(provider) == [ReasoningPiece("hm"), TextPiece("a"), TextPiece("b"), usage(1, 2)]
    assert provider.requests == [REQUEST]
    assert (provider.streams_open, provider.streams_abandoned) == (0, 0)


async def test_scripts_are_played_one_a_request_then_the_default() -> None:
    provider = ScriptedProvider(default=("default",))
    provider.script("first")
    assert [await _collect(provider) for _ in range(3)] == [
        [TextPiece("first")],
        [TextPiece("default")],
        [TextPiece("default")],
    ]


async def test_a_request_without_a_script_fails_the_test() -> None:
    with pytest.raises(AssertionError, match="no script"):
        await _collect(ScriptedProvider())


async def test_an_error_is_raised_where_it_stands() -> None:
    provider = ScriptedProvider()
    provider.script("half", ProviderError("PROVIDER_STREAM_CUT", "cut"))
    stream = provider.stream(REQUEST)
    assert await anext(stream) == TextPiece("half")
    with pytest.raises(ProviderError, match="cut"):
        await anext(stream)
    assert (provider.streams_open, provider.streams_abandoned) == (0, 0)


async def test_a_gate_holds_the_stream_until_the_test_opens_it() -> None:
    provider, gate = ScriptedProvider(), Gate()
    provider.script("before", gate, "after")
    taken: list[Piece] = []

    async def read() -> None:
        async for piece in provider.stream(REQUEST):
            taken.append(piece)  # noqa: PERF401 - read while it grows

    reader = asyncio.create_task(read())
    await provider.requested()
    await gate.reached()
    assert (taken, provider.streams_open) == ([TextPiece("before")], 1)
    gate.open()
    await reader
    assert taken == [TextPiece("before"), TextPiece("after")]


async def test_closing_a_stream_early_counts_as_abandoned() -> None:
    provider = ScriptedProvider(default=(Endless("x"),))
    async with aclosing(provider.stream(REQUEST)) as stream:
        assert [await anext(stream) for _ in range(3)] == [TextPiece("x")] * 3
    await provider.idle()
    assert provider.streams_abandoned == 1


async def test_cancelling_the_consumer_at_a_gate_counts_as_abandoned() -> None:
    provider, gate = ScriptedProvider(), Gate()
    provider.script(gate)
    reader = asyncio.create_task(_collect(provider))
    await gate.reached()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await provider.idle()
    assert provider.streams_abandoned == 1
