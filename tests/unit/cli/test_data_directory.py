"""Files of the data directory: private, whole, one server at a time."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.cli.data_directory import DataDirectory, DirectoryInUse, DirectoryUnusable, Published


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "parents" / "data")
    directory.prepare()
    return directory


def test_the_directory_is_made_for_its_user_alone(directory: DataDirectory) -> None:
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert list(directory.path.iterdir()) == []


def test_all_who_ask_first_get_the_same_pepper(directory: DataDirectory) -> None:
    with ThreadPoolExecutor(8) as threads:
        peppers = list(threads.map(lambda _: DataDirectory(directory.path).pepper(), range(32)))
    assert len(set(peppers)) == 1
    assert len(peppers[0]) == 64
    assert [path.name for path in directory.path.iterdir()] == ["pepper"]
    assert stat.S_IMODE((directory.path / "pepper").stat().st_mode) == 0o600


def test_one_server_at_a_time(directory: DataDirectory) -> None:
    with directory.locked(), directory.published(http="127.0.0.1:1", grpc="127.0.0.1:2", tls=True):
        with pytest.raises(DirectoryInUse, match=r"https://127\.0\.0\.1:1\."), DataDirectory(directory.path).locked():
            pass
        assert directory.read_addresses() == Published("127.0.0.1:1", "127.0.0.1:2", tls=True)
    assert directory.read_addresses() is None


def test_what_a_killed_server_left_does_not_outlive_the_next_start(directory: DataDirectory) -> None:
    directory.addresses.write_text('{"http": "127.0.0.1:1", "grpc": "127.0.0.1:2"}')
    with directory.locked():
        assert directory.read_addresses() is None


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusable, match="Name another with --data"):
        DataDirectory(tmp_path / "file").prepare()
