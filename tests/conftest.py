"""What holds for the whole suite: no secret and no content gets where it must not, and what is costly is shared."""

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
