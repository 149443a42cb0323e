"""A house with a scripted model for each test, and the invariants after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import ANNA, House, open_house
from tests.support.invariants import check_invariants
from tests.support.scripted_provider import ScriptedProvider


@pytest.fixture
def provider() -> ScriptedProvider:
    """The model."""
    return ScriptedProvider()


@pytest.fixture
async def house(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[House]:
    """A house with Anna's thread `talk`; afterwards the invariants must hold."""
    async with open_house(tmp_path, provider) as opened:
        await opened.threads.create(ANNA, name="Talk", key="talk")
        yield opened
    check_invariants(tmp_path / "house.db", settled=False)
