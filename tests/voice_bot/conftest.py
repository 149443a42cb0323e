"""Without the extra `voice` one test says so, and the others are not collected."""

import importlib
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.voice_bot.stage import Stage

collect_ignore_glob = [] if find_spec("pipecat") and find_spec("daily") else ["test_[!i]*.py", "test_i[!n]*.py"]


@pytest.fixture(scope="session")
def pipecat() -> None:
    """Imported once it is needed: it takes seconds, and warns of itself. Its log tells no content."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from server.adapters.voice.bot.logs import take_over_loguru

        take_over_loguru()
        importlib.import_module("server.adapters.voice.bot.session")


@pytest.fixture
def stage(pipecat: None) -> "Callable[..., AbstractAsyncContextManager[Stage]]":
    """Opens a session of the bot; see `tests.voice_bot.stage.stage`."""
    from tests.voice_bot.stage import stage

    return stage
