"""Fails the test after which a secret, or content, was where it must not be. On for the whole suite, in each of its
processes; what shared fixtures say belongs to the test during which they say it."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.canaries.listening import Listening
from tests.support.canaries.watch import Watch

EARS: Final = Listening(Watch())
"""Those of this process."""


def pytest_configure() -> None:
    """Listen before anything is imported that might remember what it is to call."""
    EARS.start()


def pytest_unconfigure() -> None:
    """Leave everything as it was."""
    EARS.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """After the test's own fixtures are down, ask what was heard."""
    yield
    EARS.catch_up()
    leaks = EARS.watch.leaks()
    if leaks:
        pytest.fail("\n".join(sorted({str(leak) for leak in leaks})), pytrace=False)
