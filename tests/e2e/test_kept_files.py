"""Files outlive what happens to real processes: no kill leaves a file without its content, and what one leaves of a
content without a file is swept."""

import base64
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.service import running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

_STORAGE = "/api/v1/storage/gateway"
_CONTENT = b"what is to be kept"
_UPLOAD: Any = {"name": "kept.txt", "content": base64.b64encode(_CONTENT).decode()}
_PATIENCE_SECONDS = 60
_AGE_SECONDS = 2 * 3600
"""Older than any content that still waits for its row."""


def post(client: httpx.Client, method: str, **fields: Any) -> httpx.Response:
    """Call a route of storage; raises `httpx.TransportError` for a server that was killed meanwhile."""
    return client.post(f"{_STORAGE}/{method}", json=fields)


def send(client: httpx.Client, url: str) -> None:
    """Upload by a signed URL, or without one in a request."""
    if url:
        client.put(url, content=_CONTENT)
    else:
        post(client, "upload-file", **_UPLOAD)


def listed(client: httpx.Client) -> list[str]:
    """The ids of the files at the top."""
    page = post(client, "list-files").raise_for_status().json()
    return [file["fileId"] for file in page.get("files", [])]


def contents(data: Path) -> list[Path]:
    """All contents and drafts that there are."""
    return [path for path in (data / "files").rglob("*") if path.is_file()]


def swept(data: Path, left: int) -> None:
    """Make all contents old; a service that starts then removes those without a file, and `left` of them remain."""
    past = time.time() - _AGE_SECONDS
    for path in contents(data):
        os.utime(path, (past, past))
    with running(data) as service:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while len(contents(data)) != left:
            assert time.monotonic() < deadline, contents(data)
            time.sleep(0.05)
        assert service.stop() == 0
        assert "Traceback" not in service.output


@pytest.mark.parametrize("way", ["in a request", "by a signed URL"])
def test_a_kill_before_a_file_is_known_leaves_a_content_that_is_swept(data: Path, way: str) -> None:
    step = "uploads.content_kept"
    with running(data, env={"FAILPOINTS": f"{step}=kill"}) as first, first.client() as client:
        given = post(client, "generate-upload-url", name="kept.txt").raise_for_status().json()
        url = given["url"] if way == "by a signed URL" else ""
        with pytest.raises(httpx.TransportError):
            send(client, url)
        first.process.wait(timeout=_PATIENCE_SECONDS)
        assert f"failpoint {step}: kill" in first.output
    assert [path.read_bytes() for path in contents(data)] == [_CONTENT]
    with running(data) as second, second.client() as client:
        assert listed(client) == []
        made = post(client, "upload-file", **_UPLOAD).raise_for_status().json()
        assert listed(client) == [made["fileId"]]
    assert len(contents(data)) == 2
    swept(data, left=1)
    assert [path.name for path in contents(data)] == [made["fileId"]]


@pytest.mark.parametrize(("step", "is_there"), [("storage.deleting", True), ("storage.deleted", False)])
def test_a_kill_while_a_file_goes_leaves_it_whole_or_gone(data: Path, step: str, is_there: bool) -> None:
    with running(data, env={"FAILPOINTS": f"{step}=kill"}) as first, first.client() as client:
        made = post(client, "upload-file", **_UPLOAD).raise_for_status().json()
        with pytest.raises(httpx.TransportError):
            post(client, "delete-file", file_id=made["fileId"])
        first.process.wait(timeout=_PATIENCE_SECONDS)
        assert f"failpoint {step}: kill" in first.output
    with running(data) as second, second.client() as client:
        reply = post(client, "download-file", file_id=made["fileId"])
        if is_there:
            assert (reply.status_code, reply.content) == (200, _CONTENT)
        else:
            assert reply.status_code == 404
        assert listed(client) == ([made["fileId"]] if is_there else [])
    assert len(contents(data)) == 1
    swept(data, left=1 if is_there else 0)
