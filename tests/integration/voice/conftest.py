"""An exchange for each test, and the invariants after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider
from tests.support.voice.exchange import ANNA, Exchange, open_exchange


@pytest.fixture
def provider() -> ScriptedProvider:
    """The model."""
    return ScriptedProvider()


@pytest.fixture
async def exchange(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[Exchange]:
    """An exchange with Anna's thread `talk`; afterwards the invariants must hold."""
    async with open_exchange(tmp_path, provider) as opened:
        await opened.house.threads.create(ANNA, name="Talk", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)
