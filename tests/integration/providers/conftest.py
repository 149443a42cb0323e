"""A scripted upstream and providers that talk to it, over both of the transports that are in use."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest

from server.adapters.provider.configuration import ProviderConfig, Timeouts
from server.adapters.provider.http_client import direct_client, proxied_client
from server.adapters.provider.openai_compatible import OpenAICompatibleProvider
from server.adapters.system import SystemClock
from tests.support.upstream import ScriptedUpstream

Clients = Callable[[ProviderConfig], httpx.AsyncClient]
KEY = "sk-very-secret-key"
LONG = timedelta(hours=1)
"""For the time-outs that a test is not about."""


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """A server without scripts."""
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture(params=[direct_client, proxied_client], ids=["direct", "httpx"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clients:
    """Both kinds of client, without a proxy between."""
    monkeypatch.setenv("NO_PROXY", "*")
    make: Clients = request.param
    return make


class Providers:
    """Makes providers for one upstream and closes them."""

    def __init__(self, upstream: ScriptedUpstream, client: Clients, stack: AsyncExitStack) -> None:
        self._upstream = upstream
        self._client = client
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
        provider = OpenAICompatibleProvider(config, clock=SystemClock(), client=self._client(config))
        self._stack.push_async_callback(provider.aclose)
        return provider


@pytest.fixture
async def providers(upstream: ScriptedUpstream, client: Clients) -> AsyncIterator[Providers]:
    """Providers for the upstream. When they are closed, no connection is left."""
    async with AsyncExitStack() as stack:
        yield Providers(upstream, client, stack)
    await asyncio.wait_for(upstream.disconnected(), 5)
