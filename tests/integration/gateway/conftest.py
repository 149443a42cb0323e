"""Every test of this folder that asks for `served` runs on both forms of the upstream.

A gateway is shared by the tests of a module, which therefore run on one event loop; its record begins anew for each.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.config import GatewayConfig
from tests.support.toy.served import KINDS, Served, serving

CONFIG = GatewayConfig(watch_after=0.01, stream_hold=0.3, heartbeat=0.05)
IMPATIENT = GatewayConfig(head_timeout=0.5, body_timeout=0.5)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The form of the upstream, for tests that serve for themselves."""
    chosen: str = request.param
    return chosen


@pytest_asyncio.fixture(params=KINDS, scope="module", loop_scope="module")
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """The toy behind a gateway."""
    async with serving(request.param, config=CONFIG) as running:
        yield running


@pytest_asyncio.fixture(params=KINDS)
async def impatient(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """A gateway that soon gives up on who sends slowly: for those tests only, as a busy machine is slow, too."""
    async with serving(request.param, config=IMPATIENT) as running:
        yield running


@pytest.fixture
def served(shared: Served) -> Served:
    """The toy behind a gateway, with a fresh record."""
    shared.record.reset()
    return shared
