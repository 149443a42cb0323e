"""The service that the cases are played on."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.serving import Served, serve


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One running service for all cases of a module."""
    async with serve(tmp_path_factory.mktemp("contract"), provider=DirectedProvider()) as running:
        yield running
