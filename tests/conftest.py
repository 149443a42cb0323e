"""What holds for the whole suite: no secret and no content gets where it must not."""

from tests.support.canaries.plugin import pytest_configure, pytest_runtest_teardown, pytest_unconfigure

__all__ = ["pytest_configure", "pytest_runtest_teardown", "pytest_unconfigure"]
