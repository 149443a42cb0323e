"""Unmodified Connect clients, generated from the protos, work against the gateway on every transport and format."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.api.serving import Served, serve

FORMS = [(transport, form) for transport in ("node", "web") for form in ("json", "binary")]


async def _session(client: Path, served: Served, upstream: str, transport: str, form: str) -> dict[str, Any]:
    http = served.in_process if upstream == "in-process" else served.through_channel
    _, key = await served.key()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(client / "session.mjs"),
        transport,
        form,
        str(http.base_url).rstrip("/"),
        key,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


@pytest.mark.parametrize("upstream", ["in-process", "channel"])
@pytest.mark.parametrize(("transport", "form"), FORMS)
async def test_a_connect_client_calls_streams_and_sees_errors(
    connect_client: Path, tmp_path: Path, upstream: str, transport: str, form: str
) -> None:
    async with serve(tmp_path) as served:
        seen = await _session(connect_client, served, upstream, transport, form)
    assert seen["created"]["key"] == f"connect-{transport}-{form}"
    assert seen["created"]["seconds"] > 1_700_000_000
    for stream in (seen["generated"], seen["replayed"]):
        assert (stream["text"], stream["status"]) == ("Hello there", "COMPLETED")
        assert stream["events"][0] == "runStarted"
        assert stream["events"][-1] == "runEnded"
    assert seen["sent"]["status"] == "RUNNING"
    assert seen["watched"] == seen["replayed"]["last"] == seen["lastSequence"]
    assert [content for _, content in seen["messages"]] == ["héllo wörld ✓", "Hello there", "again", "Hello there"]


@pytest.mark.parametrize(("transport", "form"), FORMS)
async def test_a_connect_client_reads_code_message_and_details_of_an_error(
    connect_client: Path, tmp_path: Path, transport: str, form: str
) -> None:
    async with serve(tmp_path) as served:
        seen = await _session(connect_client, served, "in-process", transport, form)
    wanted = {
        "missing": ("NotFound", ["google.rpc.ErrorInfo"]),
        "taken": ("AlreadyExists", ["google.rpc.ErrorInfo"]),
        "invalid": ("InvalidArgument", ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]),
        "unauthenticated": ("Unauthenticated", ["google.rpc.ErrorInfo"]),
        "streamMissing": ("NotFound", ["google.rpc.ErrorInfo"]),
    }
    for name, (code, details) in wanted.items():
        assert (seen[name]["code"], seen[name]["details"]) == (code, details), name
        assert seen[name]["message"]
        assert seen[name]["requestId"]
    assert seen["late"]["code"] == "DeadlineExceeded"


@pytest.mark.parametrize(
    ("content_type", "headers", "body", "code"),
    [
        ("application/proto", {}, b"\xff\xff", "invalid_argument"),
        ("application/json", {"connect-protocol-version": "2"}, b"{}", "invalid_argument"),
        ("application/json", {"connect-timeout-ms": "soon"}, b"{}", "invalid_argument"),
        ("application/json", {}, b"{", "invalid_argument"),
        ("text/plain", {}, b"{}", "invalid_argument"),
    ],
)
async def test_what_is_not_the_protocol_is_refused_in_its_own_words(
    tmp_path: Path, content_type: str, headers: dict[str, str], body: bytes, code: str
) -> None:
    async with serve(tmp_path) as served:
        _, key = await served.key()
        path = "/parley.v1.ThreadService/ListThreads"
        response = await served.in_process.post(
            path, content=body, headers={"content-type": content_type, "x-api-key": key, **headers}
        )
    assert response.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.UNSUPPORTED_MEDIA_TYPE)
    assert response.json()["code"] == code
    assert response.json()["message"]


async def test_the_same_json_without_the_protocols_header_is_that_of_the_documented_route(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        _, key = await served.key()
        post = served.in_process.post
        made = await post(
            "/parley.v1.ThreadService/CreateThread", json={"conversation_key": "k"}, headers={"x-api-key": key}
        )
        got = await post("/api/v1/llm/gateway/get-thread", json={"conversation_key": "k"}, headers={"x-api-key": key})
    assert made.json() == got.json()
    assert made.json()["status"] == "IDLE"


async def test_a_malformed_envelope_is_the_end_of_the_stream(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        _, key = await served.key()
        response = await served.in_process.post(
            "/parley.v1.RunService/StreamRun",
            content=b"\x00\x00\x00\x00\x09{}",
            headers={"content-type": "application/connect+json", "x-api-key": key},
        )
    assert response.status_code == 200
    assert response.content[0] == 2
    assert json.loads(response.content[5:])["error"]["code"] == "invalid_argument"
