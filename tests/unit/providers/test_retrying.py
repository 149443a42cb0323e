"""Retries are bounded, spread, honour the provider's word and never repeat a text."""

from contextlib import aclosing
from datetime import timedelta

import pytest

from server.adapters.provider.retrying import RetryingProvider
from server.domain.context import PromptMessage
from server.domain.generation import GenerationConfig
from server.domain.message import Role
from server.ports.provider import CompletionRequest, Piece, ProviderError, TextPiece
from tests.support.scripted_provider import Endless, ScriptedProvider, usage
from tests.unit.providers.clocks import InstantClock

REQUEST = CompletionRequest((PromptMessage(Role.USER, "hi"),), GenerationConfig(model="m"))


def _busy(retry_after: float | None = None) -> ProviderError:
    wait = None if retry_after is None else timedelta(seconds=retry_after)
    return ProviderError("PROVIDER_RATE_LIMITED", "busy", retryable=True, retry_after=wait)


def _retrying(*scripts: object, random: float = 0.5) -> tuple[RetryingProvider, ScriptedProvider, InstantClock]:
    inner, clock = ScriptedProvider(), InstantClock()
    for script in scripts:
        inner.script(*script if isinstance(script, tuple) else (script,))
    return RetryingProvider(inner, clock=clock, random=lambda: random), inner, clock


async def _collect(provider: RetryingProvider) -> list[Piece]:
    return [piece async for piece in provider.stream(REQUEST)]


async def test_an_answer_passes_through_unchanged_and_at_once() -> None:
    provider, inner, clock = _retrying(("a", "b", usage(1, 2)))
    assert await _collect(provider) == [TextPiece("a"), TextPiece("b"), usage(1, 2)]
    assert (len(inner.requests), clock.slept) == (1, [])


async def test_failures_before_the_first_piece_are_tried_again_with_growing_delays() -> None:
    provider, inner, clock = _retrying(_busy(), _busy(), "at last")
    assert await _collect(provider) == [TextPiece("at last")]
    assert inner.requests == [REQUEST] * 3
    assert clock.slept == [0.375, 0.75]


@pytest.mark.parametrize(("random", "slept"), [(0.0, [0.25, 0.5]), (0.999, [0.49975, 0.9995])])
async def test_half_of_a_delay_is_random(random: float, slept: list[float]) -> None:
    provider, _, clock = _retrying(_busy(), _busy(), "ok", random=random)
    await _collect(provider)
    assert clock.slept == pytest.approx(slept)


async def test_the_third_failure_is_the_answer() -> None:
    last = _busy()
    provider, inner, clock = _retrying(_busy(), _busy(), last)
    with pytest.raises(ProviderError) as caught:
        await _collect(provider)
    assert caught.value is last
    assert (len(inner.requests), len(clock.slept)) == (3, 2)


async def test_a_failure_that_is_not_retryable_is_the_answer() -> None:
    provider, inner, clock = _retrying(ProviderError("PROVIDER_UNAUTHENTICATED", "no"))
    with pytest.raises(ProviderError, match="no"):
        await _collect(provider)
    assert (len(inner.requests), clock.slept) == (1, [])


async def test_a_failure_behind_the_first_piece_is_never_retried() -> None:
    provider, inner, clock = _retrying(("half", ProviderError("PROVIDER_STREAM_CUT", "cut", retryable=True)))
    stream = provider.stream(REQUEST)
    assert await anext(stream) == TextPiece("half")
    with pytest.raises(ProviderError, match="cut"):
        await anext(stream)
    assert (len(inner.requests), clock.slept) == (1, [])


async def test_the_provider_s_word_on_when_to_come_back_is_kept() -> None:
    provider, _, clock = _retrying(_busy(retry_after=20), _busy(retry_after=0), "ok")
    await _collect(provider)
    assert clock.slept == [20.0, 0.75]


async def test_a_provider_that_asks_for_more_than_20_seconds_is_not_waited_for() -> None:
    provider, inner, clock = _retrying(_busy(retry_after=20.001))
    with pytest.raises(ProviderError) as caught:
        await _collect(provider)
    assert caught.value.retry_after == timedelta(seconds=20.001)
    assert (len(inner.requests), clock.slept) == (1, [])


async def test_any_other_exception_passes_through() -> None:
    provider, inner, _ = _retrying(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        await _collect(provider)
    assert len(inner.requests) == 1


async def test_closing_the_stream_closes_the_wrapped_one_at_once() -> None:
    provider, inner, _ = _retrying(Endless("x"))
    async with aclosing(provider.stream(REQUEST)) as stream:
        await anext(stream)
        assert inner.streams_open == 1
    assert (inner.streams_open, inner.streams_abandoned) == (0, 1)


async def test_name_and_closing_are_those_of_the_wrapped_provider() -> None:
    provider, inner, _ = _retrying()
    await provider.aclose()
    assert (provider.name, inner.closed) == ("scripted", True)
