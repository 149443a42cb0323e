"""What hostile clients send to the routes of storage is refused as theirs, and stores nothing."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from server.application.uploads import NewFile
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.test_uploads import ANNA, HOUR, contents
from tests.support.scripted_provider import ScriptedProvider

GATEWAY: Final = "/api/v1/storage/gateway"
SMALL_LIMIT: Final = 3_000_000
DEEPEST: Final = 16

NAMES: Final = {
    "a lone surrogate": r'"\ud800.txt"',
    "half of a pair at the end": r'"a\udbff"',
    "a byte order mark": r'"\ufeffa.txt"',
    "an isolate": r'"\u2066a\u2069.txt"',
    "a tag character": r'"a\udb40\udc41.txt"',
    "a line separator": r'"a\u2028b"',
    "DEL": r'"a\u007f"',
    "C1": r'"a\u0085"',
    "a slash by another letter that folds to one": r'"a\u002fb"',
    "256 bytes": json.dumps("é" * 128),
    "a thousand bytes": json.dumps("a" * 1024),
    "more than that": json.dumps("a" * 1025),
    "blanks of another kind": r'"\u00a0a"',
    "a superscript device": r'"com\u00b9.txt"',
    "a number": "7",
    "null": "null",
    "a list": '["a"]',
}
BODIES: Final = {
    "content that is no base64": '{"name": "a", "content": "%%%"}',
    "content that is cut base64": '{"name": "a", "content": "QUJ"}x',
    "content that is a number": '{"name": "a", "content": 7}',
    "a declared type with a line break": '{"name": "a", "content": "", "media_type": "text/plain\\r\\nX-Evil: 1"}',
    "a declared type of no kind": '{"name": "a", "media_type": "/"}',
    "33 tags": json.dumps({"name": "a", "tags": [f"t{number}" for number in range(33)]}),
    "a tag of 65 letters": json.dumps({"name": "a", "tags": ["t" * 65]}),
    "a tag in capitals": '{"name": "a", "tags": ["A"]}',
    "a checksum one digit short": json.dumps({"name": "a", "sha256": "0" * 63}),
    "a checksum of another alphabet": json.dumps({"name": "a", "sha256": "g" * 64}),
    "a folder that is a path": '{"name": "a", "folder_id": "../.."}',
    "a folder that is too long": json.dumps({"name": "a", "folder_id": "f" * 65}),
    "no object": "[]",
    "half an object": '{"name": ',
    "an unknown field": '{"name": "a", "path": "/etc/passwd"}',
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=ScriptedProvider()) as running:
        yield running


async def keyed(served: Served) -> dict[str, str]:
    return {"x-api-key": (await served.key("anna"))[1], "content-type": "application/json"}


def refused(reply: httpx.Response) -> str:
    """The reason of a refusal that is the client's to mend."""
    assert 400 <= reply.status_code < 500, (reply.status_code, reply.text)
    reason: str = reply.json()["error"]["details"][0]["reason"]
    return reason


async def test_no_bad_name_or_body_stores_anything(served: Served, tmp_path: Path) -> None:
    key = await keyed(served)
    for client in (served.in_process, served.through_channel):
        for what, name in NAMES.items():
            for method in ("create-folder", "upload-file", "generate-upload-url"):
                reply = await client.post(f"{GATEWAY}/{method}", content=f'{{"name": {name}}}', headers=key)
                assert refused(reply) in ("INVALID_FIELD", "INVALID_BODY"), what
        for what, body in BODIES.items():
            reply = await client.post(f"{GATEWAY}/upload-file", content=body, headers=key)
            assert refused(reply) in ("INVALID_FIELD", "INVALID_BODY", "FOLDER_NOT_FOUND"), what
    usage = await served.house.storage.usage(ANNA.owner)
    assert (usage.entries, usage.bytes, list(contents(tmp_path))) == (0, 0, [])


async def test_a_name_may_have_255_bytes_and_joiners(served: Served) -> None:
    key = await keyed(served)
    for name in ("é" * 127 + "a", "\U0001f469\u200d\U0001f680.txt", "\u0645\u06cc\u200c\u062e.txt"):
        reply = await served.in_process.post(f"{GATEWAY}/upload-file", json={"name": name}, headers=key)
        assert (reply.status_code, reply.json()["name"]) == (200, name)


async def test_sizes_at_their_limits(served: Served) -> None:
    key = await keyed(served)

    async def post(method: str, body: dict[str, Any]) -> httpx.Response:
        return await served.in_process.post(f"{GATEWAY}/{method}", json=body, headers=key)

    whole = base64.b64encode(bytes(SMALL_LIMIT)).decode()
    assert (await post("upload-file", {"name": "whole", "content": whole})).json()["size"] == str(SMALL_LIMIT)
    more = base64.b64encode(bytes(SMALL_LIMIT + 1)).decode()
    assert refused(await post("upload-file", {"name": "more", "content": more})) == "INVALID_FIELD"
    limit = served.house.limits.upload_bytes
    for size, reason in ((-1, "INVALID_FIELD"), (limit + 1, "FILE_TOO_LARGE"), (2**63 - 1, "FILE_TOO_LARGE")):
        assert refused(await post("generate-upload-url", {"name": "b", "size": size})) == reason
    assert refused(await post("generate-upload-url", {"name": "b", "size": 2**63})) == "INVALID_BODY"
    for size in (0, limit):
        assert (await post("generate-upload-url", {"name": f"{size}", "size": size})).json()["maxBytes"] == str(size)
    for seconds in (-1, 86_401):
        asked = {"name": "c", "expires_in_seconds": seconds}
        assert refused(await post("generate-upload-url", asked)) == "INVALID_FIELD"


@pytest.mark.parametrize("size", [0, 9, 11])
async def test_a_content_that_is_not_as_announced_is_nothing(served: Served, tmp_path: Path, size: int) -> None:
    for client in (served.in_process, served.through_channel):
        leave = await served.house.uploads.grant(ANNA, NewFile("ten", size=10), HOUR)
        reply = await client.put(f"/api/v1/storage/uploads/{leave.token}", content=bytes(size))
        assert refused(reply) == ("FILE_TOO_LARGE" if size > 10 else "CONTENT_MISMATCH")
    assert list(contents(tmp_path)) == []


async def test_folders_have_a_depth(served: Served) -> None:
    parent = ""
    for depth in range(DEEPEST):
        parent = (await served.house.storage.create_folder(ANNA, f"{depth}", parent)).id
    body = {"name": "deeper", "parent_id": parent}
    reply = await served.in_process.post(f"{GATEWAY}/create-folder", json=body, headers=await keyed(served))
    assert refused(reply) == "FOLDER_TOO_DEEP"


async def test_no_token_but_a_signed_one_counts(served: Served) -> None:
    file = await served.house.uploads.upload(ANNA, NewFile("a"), b"x")
    good = (await served.house.files.share(ANNA.owner, file.id, HOUR)).token
    over = (await served.house.files.share(ANNA.owner, file.id, timedelta(seconds=-1))).token
    purpose, identity, end, signature = good.split(".")
    another = identity[:-1] + ("1" if identity.endswith("0") else "0")
    forged = (
        *(over, f"{purpose}.{identity}.{int(end) + 1}.{signature}", f"u.{identity}.{end}.{signature}"),
        *(f"{purpose}.{another}.{end}.{signature}", good[:-1], good + "A", good.swapcase(), f" {good}"),
        *("..", "%00", "%2e%2e%2f", "d....", "é", "x" * 256, good.replace(".", "%2E") + "%0a"),
    )
    for client in (served.in_process, served.through_channel):
        for token in forged:
            reply = await client.get(f"/api/v1/storage/downloads/{token}")
            assert refused(reply) in ("SIGNED_URL_INVALID", "INVALID_FIELD", "ROUTE_NOT_FOUND"), token
            assert (await client.put(f"/api/v1/storage/uploads/{token}", content=b"x")).status_code in (400, 403, 404)
        assert (await client.get(f"/api/v1/storage/downloads/{good}")).content == b"x"
        assert refused(await client.get(f"/api/v1/storage/downloads/{'x' * 257}")) == "INVALID_FIELD"
