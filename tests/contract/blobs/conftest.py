"""What the contract of contents is played on: a directory, and a bucket of a real storage."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.adapters.blobs.directory import DirectoryBlobs
from server.ports.blobs import Blobs
from tests.support.s3.fixtures import opened_s3, s3_server  # noqa: F401 - a fixture


@pytest.fixture(params=["directory", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    """A place without a content."""
    if request.param == "directory":
        yield DirectoryBlobs(tmp_path / "files")
        return
    async with opened_s3(request.getfixturevalue("s3_server").config()) as bucket:
        yield bucket
