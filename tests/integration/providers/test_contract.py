"""What `ports.provider.Provider` promises holds for each provider, and for the double that stands in for them."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from server.adapters.provider.configuration import ProviderConfig
from server.adapters.provider.echo import EchoProvider
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.provider.retrying import RetryingProvider
from server.adapters.system import SystemClock
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.image import MAX_IMAGE_BYTES, image_type
from server.domain.message import Role, ToolCall
from server.domain.origin import Origin
from server.domain.tool import ToolSpec
from server.ports.provider import (
    CompletionRequest,
    ImageRequest,
    Piece,
    Provider,
    ReasoningPiece,
    RequestedCall,
    TextPiece,
    ToolCallsPiece,
    UsageReport,
)
from tests.support.images import DOT
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.upstream import HANG, Delta, Gate, ScriptedUpstream, answer, refusal, wire

_DRAWN = wire.json_bytes({"data": [{"b64_json": base64.b64encode(DOT).decode()}]})
REQUEST = CompletionRequest((PromptMessage(Role.USER, "hello"),), GenerationConfig(model="some/model"))
TOOLS = (ToolSpec("clock", "Says the time.", '{"type":"object"}'), ToolSpec("dice", "", '{"type":"object"}'))
ASKING = replace(
    REQUEST, messages=(PromptMessage(Role.USER, '/call dice {}\n/call clock {"zone":"CET"}'),), tools=TOOLS
)
_CALLED = [
    {"index": 0, "id": "a", "function": {"name": "dice", "arguments": "{}"}},
    {"index": 1, "id": "b", "function": {"name": "clock", "arguments": '{"zone":"CET"}'}},
]


@dataclass
class Subject:
    """A provider named `subject`, how to make its next answers, and how to see that nothing of them is left."""

    provider: Provider
    answers: Callable[[], None]
    """The next answer is whole, of several pieces, with usage."""
    asks: Callable[[], None]
    """The next answer, to `ASKING`, asks for the tools that it names."""
    draws: Callable[[], None]
    """The next image is whole."""
    hangs: Callable[[], None]
    """The next answer begins and never ends."""
    released: Callable[[], Awaitable[None]]
    """Returns when no answer is being made any more."""


@asynccontextmanager
async def _scripted() -> AsyncIterator[Subject]:
    provider = ScriptedProvider(name="subject")
    yield Subject(
        provider,
        answers=lambda: provider.script("one", " two", usage(1, 2)),
        asks=lambda: provider.script(
            "one",
            ToolCallsPiece((RequestedCall("a", "dice", "{}"), RequestedCall("b", "clock", '{"zone":"CET"}'))),
            usage(1, 2),
        ),
        draws=lambda: provider.script_image(DOT),
        hangs=lambda: provider.script("one", Gate()),
        released=provider.idle,
    )


@asynccontextmanager
async def _echo() -> AsyncIterator[Subject]:
    class Clock(SystemClock):
        """Sleeps for ever when told so."""

        hanging = False
        sleeping = 0

        async def sleep(self, seconds: float) -> None:
            self.sleeping += 1
            try:
                await super().sleep(3600 if self.hanging else 0)
            finally:
                self.sleeping -= 1

    clock = Clock()

    async def released() -> None:
        assert clock.sleeping == 0

    yield Subject(
        EchoProvider(name="subject", clock=clock),
        answers=lambda: setattr(clock, "hanging", False),
        asks=lambda: setattr(clock, "hanging", False),
        draws=lambda: None,
        hangs=lambda: setattr(clock, "hanging", True),
        released=released,
    )


@asynccontextmanager
async def _openai_compatible() -> AsyncIterator[Subject]:
    async with ScriptedUpstream() as upstream:
        config = ProviderConfig(name="subject", base_url=upstream.base_url)
        provider = RetryingProvider(
            OpenAICompatibleProvider(config, clock=SystemClock()), clock=SystemClock(), random=lambda: 0.0
        )
        yield Subject(
            provider,
            answers=lambda: upstream.script(answer("one", " two")),
            asks=lambda: upstream.script(answer("one", Delta({"tool_calls": _CALLED}), finish_reason="tool_calls")),
            draws=lambda: upstream.script(refusal(200, body=_DRAWN)),
            hangs=lambda: upstream.script(answer("one", HANG)),
            released=lambda: upstream.until(lambda: upstream.abandoned == len(upstream.requests)),
        )
        await provider.aclose()


@pytest.fixture(params=[_scripted, _echo, _openai_compatible], ids=["scripted", "echo", "openai_compatible"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


async def _collect(provider: Provider, request: CompletionRequest = REQUEST) -> list[Piece]:
    async with aclosing(provider.stream(request)) as pieces:
        return [piece async for piece in pieces]


def test_it_has_the_name_of_its_configuration(subject: Subject) -> None:
    assert subject.provider.name == "subject"


async def test_a_whole_answer_is_pieces_of_text_with_usage_at_most_once_and_then_ends(subject: Subject) -> None:
    subject.answers()
    pieces = await _collect(subject.provider)
    texts = [piece.text for piece in pieces if isinstance(piece, TextPiece)]
    assert "".join(texts)
    assert all(texts)
    assert len([piece for piece in pieces if isinstance(piece, UsageReport)]) == 1


async def test_tool_calls_come_at_once_behind_all_text(subject: Subject) -> None:
    subject.asks()
    pieces = await _collect(subject.provider, ASKING)
    (place,) = [place for place, piece in enumerate(pieces) if isinstance(piece, ToolCallsPiece)]
    asked = pieces[place]
    assert isinstance(asked, ToolCallsPiece)
    assert [(call.name, call.arguments) for call in asked.calls] == [("dice", "{}"), ("clock", '{"zone":"CET"}')]
    assert len({call.provider_id for call in asked.calls}) == 2
    assert not any(isinstance(piece, TextPiece | ReasoningPiece) for piece in pieces[place:])


async def test_results_are_answered(subject: Subject) -> None:
    subject.asks()
    (asked,) = [piece for piece in await _collect(subject.provider, ASKING) if isinstance(piece, ToolCallsPiece)]
    calls = tuple(
        ToolCall(f"call_{place}", call.name, call.arguments, call.provider_id) for place, call in enumerate(asked.calls)
    )
    said = PromptMessage(Role.ASSISTANT, "", calls, origin=Origin("subject", "some/model"))
    results = [PromptMessage(Role.TOOL, "done", tool_call_id=call.id) for call in calls]
    subject.answers()
    pieces = await _collect(subject.provider, replace(ASKING, messages=(*ASKING.messages, said, *results)))
    assert any(isinstance(piece, TextPiece) for piece in pieces)
    assert not any(isinstance(piece, ToolCallsPiece) for piece in pieces)


async def test_nothing_happens_before_the_stream_is_read(subject: Subject) -> None:
    await subject.provider.stream(REQUEST).aclose()
    await asyncio.wait_for(subject.released(), 5)


async def test_many_streams_run_beside_one_another(subject: Subject) -> None:
    for _ in range(8):
        subject.answers()
    answers = await asyncio.gather(*(_collect(subject.provider) for _ in range(8)))
    texts = {"".join(piece.text for piece in pieces if isinstance(piece, TextPiece)) for pieces in answers}
    assert len(texts) == 1


async def test_closing_the_generator_ends_the_request(subject: Subject) -> None:
    subject.hangs()
    pieces = subject.provider.stream(REQUEST)
    assert isinstance(await anext(pieces), TextPiece)
    await pieces.aclose()
    await asyncio.wait_for(subject.released(), 5)
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)


async def test_cancelling_the_consumer_ends_the_request(subject: Subject) -> None:
    subject.hangs()
    begun = asyncio.Event()

    async def consume() -> None:
        async with aclosing(subject.provider.stream(REQUEST)) as pieces:
            async for _ in pieces:
                begun.set()

    consumer = asyncio.create_task(consume())
    await asyncio.wait_for(begun.wait(), 5)
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    await asyncio.wait_for(subject.released(), 5)


async def test_a_provider_goes_on_after_an_answer_was_given_up(subject: Subject) -> None:
    subject.hangs()
    async with aclosing(subject.provider.stream(REQUEST)) as pieces:
        await anext(pieces)
    subject.answers()
    assert await _collect(subject.provider)


async def test_an_image_is_what_its_bytes_show(subject: Subject) -> None:
    subject.draws()
    image = await subject.provider.draw(ImageRequest("some/model", "a dot"))
    assert image.media_type == image_type(image.content) == "image/png"
    assert 0 < len(image.content) <= MAX_IMAGE_BYTES
