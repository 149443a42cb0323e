"""What holds for the whole suite: no secret and no content gets where it must not, and what is costly is shared."""

import gc
from collections.abc import Generator

import pytest

from tests.support.canaries.plugin import pytest_configure, pytest_runtest_teardown, pytest_unconfigure
from tests.support.shared import (
    databases,
    nursery,
    postgres,
    postgres_database,
    postgres_server,
    postgres_url,
    sqlite_path,
    sqlite_url,
)

__all__ = [
    "databases",
    "nursery",
    "postgres",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "pytest_configure",
    "pytest_runtest_teardown",
    "pytest_unconfigure",
    "sqlite_path",
    "sqlite_url",
]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while the tests are: there is little, and looking for it again and again, among what stays to
    the end, takes a quarter of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
