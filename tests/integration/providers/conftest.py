"""A scripted upstream and providers that talk to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from server.adapters.provider.configuration import ProviderConfig, Timeouts
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.system import SystemClock
from tests.support.canaries.marks import canary
from tests.support.upstream import ScriptedUpstream

KEY = canary("provider-key")
LONG = timedelta(hours=1)
"""For the time-outs that a test is not about."""


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A server without scripts."""
    async with ScriptedUpstream() as server:
        yield server


class Providers:
    """Makes providers for one upstream and closes them."""

    def __init__(self, upstream: ScriptedUpstream, stack: AsyncExitStack) -> None:
        self._upstream = upstream
        self._stack = stack

    def make(
        self,
        *,
        first_token: timedelta = LONG,
        between_tokens: timedelta = LONG,
        base_url: str | None = None,
        **options: object,
    ) -> OpenAICompatibleProvider:
        """One for the upstream, or for another `base_url`; `options` are those of `ProviderConfig`."""
        timeouts = Timeouts(connect=timedelta(seconds=5), first_token=first_token, between_tokens=between_tokens)
        url = base_url or self._upstream.base_url
        config = ProviderConfig(name="acme", base_url=url, api_key=KEY, timeouts=timeouts, **options)  # type: ignore[arg-type]
        provider = OpenAICompatibleProvider(config, clock=SystemClock())
        self._stack.push_async_callback(provider.aclose)
        return provider


@pytest.fixture
async def providers(upstream: ScriptedUpstream) -> AsyncIterator[Providers]:
    """Providers for the upstream. When they are closed, no connection is left."""
    async with AsyncExitStack() as stack:
        yield Providers(upstream, stack)
    await asyncio.wait_for(upstream.disconnected(), 5)
