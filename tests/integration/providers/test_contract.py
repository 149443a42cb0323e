"""What `ports.provider.Provider` promises holds for each provider, and for the double that stands in for them."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import pytest

from server.adapters.provider.configuration import ProviderConfig
from server.adapters.provider.echo import EchoProvider
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.provider.retrying import RetryingProvider
from server.adapters.system import SystemClock
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.image import MAX_IMAGE_BYTES, image_type
from server.domain.message import Role
from server.ports.provider import CompletionRequest, ImageRequest, Piece, Provider, TextPiece, UsageReport
from tests.support.images import DOT
from tests.support.scripted_provider import ScriptedProvider, usage
from tests.support.upstream import HANG, Gate, ScriptedUpstream, answer, refusal, wire

_DRAWN = wire.json_bytes({"data": [{"b64_json": base64.b64encode(DOT).decode()}]})
REQUEST = CompletionRequest((PromptMessage(Role.USER, "hello"),), GenerationConfig(model="some/model"))


@dataclass
class Subject:
    """A provider named `subject`, how to make its next answers, and how to see that nothing of them is left."""

    provider: Provider
    answers: Callable[[], None]
    """The next answer is whole, of several pieces, with usage."""
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
            draws=lambda: upstream.script(refusal(200, body=_DRAWN)),
            hangs=lambda: upstream.script(answer("one", HANG)),
            released=lambda: upstream.until(lambda: upstream.abandoned == len(upstream.requests)),
        )
        await provider.aclose()


@pytest.fixture(params=[_scripted, _echo, _openai_compatible], ids=["scripted", "echo", "openai_compatible"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with request.param() as made:
        yield made


async def _collect(provider: Provider) -> list[Piece]:
    async with aclosing(provider.stream(REQUEST)) as pieces:
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
