"""The two locks are one environment: the second only adds to the first."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.architecture.audit import LOCKS

_REPOSITORY = Path(__file__).parents[2]
_EXTRA = Requirement(
    tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]["voice"][0]
)


def locked(name: str) -> dict[str, str]:
    """Version by package of a lock."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", (_REPOSITORY / name).read_text(), re.MULTILINE))


def test_no_package_is_in_both() -> None:
    first, second = map(locked, LOCKS)
    assert first.keys() & second.keys() == set()


def test_what_only_voice_needs_is_not_in_the_lock_that_everybody_installs() -> None:
    first, second = map(locked, LOCKS)
    assert _EXTRA.name not in first
    assert Version(second[_EXTRA.name]) in _EXTRA.specifier


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_no_address(name: str) -> None:
    text = (_REPOSITORY / name).read_text()
    entries = re.split(r"^(?=[A-Za-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert {entry.split("==")[0] for entry in entries} == locked(name).keys()
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "--index" not in text
