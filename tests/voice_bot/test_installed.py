"""Says in the summary when the bot is not tested, and why."""

from importlib.util import find_spec

import pytest


def test_the_extra_is_installed() -> None:
    if not (find_spec("pipecat") and find_spec("daily")):
        pytest.skip("the tests of the voice bot need the extra `voice`: run `make voice`")
