"""Every database has a directory of its own for the contents of its files."""

from pathlib import Path

import pytest

from server.bootstrap.files import files_directory
from server.config import load

USUAL = Path("/data/files")


def directory(database: str | None, **flags: object) -> Path:
    return files_directory(load({"database": database, **flags}), USUAL)


def test_the_embedded_database_keeps_its_files_beside_it() -> None:
    assert directory(None) == USUAL / "embedded"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:secret@db.example/chat",
        "postgres://bert@127.0.0.1:5433/chat?sslmode=require",
        "postgresql+asyncpg:///chat?host=/tmp/pg",
    ],
)
def test_all_who_work_on_one_database_find_the_same_files(url: str) -> None:
    assert directory(url) == USUAL / "postgresql-chat"


def test_databases_do_not_share_files() -> None:
    urls = [None, "postgresql://h/a", "postgresql://h/b", "sqlite:////x/a.db", "sqlite:////x/b.db"]
    assert len({directory(url) for url in urls}) == len(urls)


@pytest.mark.parametrize("url", ["postgresql://h/../../etc", "postgresql://h/..", "postgresql://h/a%2fb"])
def test_no_name_of_a_database_leaves_the_directory(url: str) -> None:
    assert directory(url).parent == USUAL


def test_the_place_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_FILES", "/mnt/shared")
    assert directory("postgresql://h/chat") == Path("/mnt/shared/postgresql-chat")
