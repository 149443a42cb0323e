"""Exports over HTTP: lines unless something else is asked for, and every record a place to go on from."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.api.serving import Served, serve

_EXPORT = "/api/v1/data/export"
_UPSTREAMS = ("in_process", "through_channel")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as running:
        yield running


async def _talked(served: Served) -> dict[str, str]:
    """Somebody who has a thread with a question, its answer and an image; returns the credential."""
    _, key = await served.key()
    headers = {"x-api-key": key}
    gateway = "/api/v1/llm/gateway"
    for path, body in (
        ("create-thread", {"conversationKey": "talk"}),
        ("generate", {"conversationKey": "talk", "userMessage": {"content": "Hi"}}),
    ):
        reply = await served.in_process.post(f"{gateway}/{path}", json=body, headers=headers)
        assert reply.status_code == 200, reply.text
    return headers


async def _lines(served: Served, upstream: str, headers: dict[str, str], cursor: str = "") -> list[dict[str, Any]]:
    reply = await getattr(served, upstream).post(_EXPORT, json={"cursor": cursor}, headers=headers)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line)["data"] for line in reply.text.splitlines()]


@pytest.mark.parametrize("upstream", _UPSTREAMS)
async def test_an_export_is_lines_unless_events_are_asked_for(served: Served, upstream: str) -> None:
    headers = await _talked(served)
    lines = await _lines(served, upstream, headers)
    kinds = [line["record"]["kind"] for line in lines[:-1]]
    assert {"user", "conversation", "message", "run", "event"} <= set(kinds)
    assert lines[-1]["end"]["count"] == str(len(kinds))
    events = {"accept": "text/event-stream", **headers}
    reply = await getattr(served, upstream).post(_EXPORT, json={}, headers=events)
    assert reply.headers["content-type"] == "text/event-stream"
    told = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: ")]
    assert told[0] == lines[0]
    assert "end" in told[-1]


@pytest.mark.parametrize("upstream", _UPSTREAMS)
async def test_an_export_that_is_cut_goes_on_behind_any_record(served: Served, upstream: str) -> None:
    headers = await _talked(served)
    await _lines(served, upstream, headers)
    *whole, end = await _lines(served, upstream, headers)
    digest = "0" * 64
    for line in whole:
        named = f"{digest}{line['record']['kind']}\n{line['record']['id']}\n"
        digest = hashlib.sha256(named.encode()).hexdigest()
    assert end["end"] == {"count": str(len(whole)), "digest": digest}
    for cut in range(1, len(whole) + 1):
        *rest, last = await _lines(served, upstream, headers, cursor=whole[cut - 1]["cursor"])
        assert _but_for_exports(rest) == _but_for_exports(whole[cut:])
        assert last["end"]["count"] == str(cut + len(rest))


def _but_for_exports(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what the audit tells of exports, for each tells of itself."""
    records = [line["record"] for line in lines]
    return [record for record in records if not record["data"].get("act", "").startswith("export.")]


async def test_an_export_names_the_files_that_messages_brought_along(served: Served) -> None:
    _, key = await served.key()
    headers = {"x-api-key": key}
    content = base64.b64encode(b"Remember the milk.").decode()
    file = await served.in_process.post(
        "/api/v1/storage/gateway/upload-file", json={"name": "notes.txt", "content": content}, headers=headers
    )
    gateway = "/api/v1/llm/gateway"
    await served.in_process.post(f"{gateway}/create-thread", json={"conversationKey": "talk"}, headers=headers)
    said = {"content": "What?", "attachments": [{"fileId": file.json()["fileId"]}]}
    await served.in_process.post(
        f"{gateway}/generate", json={"conversationKey": "talk", "userMessage": said}, headers=headers
    )
    records = [line["record"] for line in (await _lines(served, "in_process", headers))[:-1]]
    (attached,) = [each["data"]["attachments"] for each in records if each["data"].get("attachments")]
    assert [(each["file_id"], each["name"]) for each in attached] == [(file.json()["fileId"], "notes.txt")]
