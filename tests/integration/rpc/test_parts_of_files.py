"""A part of a file comes to whoever asks for it as HTTP has it, over every transport, and a cut download goes on."""

import hashlib
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from parley.v1 import file_pb2 as pb
from parley.v1.file_pb2_grpc import FileServiceStub

from server.application.uploads import NewFile
from server.domain.ids import KeyId
from server.domain.principal import Owner, Principal
from server.domain.storage import StoredFile
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.test_uploads import HOUR
from tests.support.scripted_provider import ScriptedProvider

ANNA = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
PIECE = 256 * 1024
PATH = "/api/v1/storage/downloads/{}"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=ScriptedProvider()) as running:
        yield running


def clients(served: Served) -> tuple[httpx.AsyncClient, ...]:
    """Both ways to the service."""
    return served.in_process, served.through_channel


async def stored(served: Served, content: bytes, *, name: str = "page.html") -> tuple[StoredFile, str]:
    """A file, and the URL of its content."""
    file = await served.house.uploads.upload(ANNA, NewFile(name), content)
    return file, PATH.format((await served.house.files.share(ANNA.owner, file.id, HOUR)).token)


async def test_a_range_is_a_part(served: Served) -> None:
    size = 2 * PIECE + 6
    content = os.urandom(size)
    file, url = await stored(served, content)
    key = {"x-api-key": (await served.key("anna", scopes=("files:read",)))[1]}
    whole = "/api/v1/storage/gateway/download-file"
    ranges = {
        "bytes=0-0": (0, 1),
        f"bytes=5-{PIECE + 5}": (5, PIECE + 6),
        f"bytes={PIECE}-": (PIECE, size),
        "bytes=-9": (size - 9, size),
    }
    for client, (asked, (start, end)) in itertools.product(clients(served), ranges.items()):
        body = {"file_id": file.id}
        for reply in (
            await client.get(url, headers={"range": asked}),
            await client.post(whole, json=body, headers={"range": asked, **key}),
            await client.post(whole, json={**body, "range": asked}, headers=key),
        ):
            assert (reply.status_code, reply.content == content[start:end]) == (206, True)
            assert reply.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert reply.headers["content-length"] == str(end - start)
            assert reply.headers["etag"] == f'"{file.sha256}"'
            assert reply.headers["content-disposition"].startswith("attachment;")
            assert reply.headers["x-content-type-options"] == "nosniff"


async def test_what_is_no_range_is_the_whole(served: Served) -> None:
    content = b"plain text"
    _, url = await stored(served, content)
    ranges = ("bytes=0-0,2-3", "lines=0-5", "bytes=9-3", "bytes=", "\xff")
    for client, asked in itertools.product(clients(served), ranges):
        reply = await client.get(url, headers={b"range": asked.encode("latin-1")})
        assert (reply.status_code, reply.content) == (200, content)
        assert (reply.headers["accept-ranges"], reply.headers["content-length"]) == ("bytes", str(len(content)))
        assert "content-range" not in reply.headers


async def test_a_range_without_a_byte_is_refused_and_told_the_size(served: Served) -> None:
    for number, (content, asked) in enumerate(((b"0123456789", "bytes=10-"), (b"", "bytes=0-"), (b"x", "bytes=-0"))):
        _, url = await stored(served, content, name=f"{number}.bin")
        for client in clients(served):
            reply = await client.get(url, headers={"range": asked})
            assert (reply.status_code, reply.json()["error"]["details"][0]["reason"]) == (416, "RANGE_NOT_SATISFIABLE")
            assert reply.headers["content-range"] == f"bytes */{len(content)}"
            assert "content-disposition" not in reply.headers


async def test_a_part_counts_only_of_the_content_that_was_meant(served: Served) -> None:
    file, url = await stored(served, b"0123456789")
    asked = {"range": "bytes=5-"}
    for client in clients(served):
        same = await client.get(url, headers={**asked, "if-range": f'"{file.sha256}"'})
        assert (same.status_code, same.content) == (206, b"56789")
        for other in ('"other"', f'W/"{file.sha256}"', "Sat, 21 Nov 2026 00:00:00 GMT"):
            reply = await client.get(url, headers={**asked, "if-range": other})
            assert (reply.status_code, reply.content) == (200, b"0123456789")


async def test_head_tells_of_the_whole(served: Served) -> None:
    for size in (0, 10, 3 * PIECE):
        file, url = await stored(served, bytes(size), name=f"{size}.bin")
        for client in clients(served):
            reply = await client.head(url, headers={"range": "bytes=0-1"})
            assert (reply.status_code, reply.content) == (200, b"")
            assert (reply.headers["content-length"], reply.headers["accept-ranges"]) == (str(size), "bytes")
            assert reply.headers["etag"] == f'"{file.sha256}"'
            assert (await client.head(PATH.format("x"))).status_code == 403


async def test_a_download_that_is_cut_again_and_again_comes_whole(served: Served) -> None:
    content = os.urandom(5 * PIECE)
    _, url = await stored(served, content)
    for client in clients(served):
        got, etag = bytearray(), ""
        while len(got) < len(content):
            asked = {"range": f"bytes={len(got)}-", "if-range": etag} if got else {}
            async with client.stream("GET", url, headers=asked) as reply:
                assert reply.status_code == (206 if got else 200)
                etag = reply.headers["etag"]
                got += await anext(reply.aiter_raw())
        assert hashlib.sha256(got).digest() == hashlib.sha256(content).digest()


async def test_over_grpc_a_part_says_what_it_is(served: Served) -> None:
    content = os.urandom(2 * PIECE)
    _, url = await stored(served, content)
    stub: Any = FileServiceStub(served.channel)
    call = stub.FetchFile(pb.FetchFileRequest(token=url.rpartition("/")[2], range="bytes=100-"))
    assert b"".join([piece.data async for piece in call]) == content[100:]
    initial = dict(await call.initial_metadata())
    assert initial["content-range"] == f"bytes 100-{len(content) - 1}/{len(content)}"
    assert initial["body-length"] == str(len(content) - 100)


async def test_a_content_that_goes_while_it_is_read_is_no_whole_reply(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await stored(served, os.urandom(2 * PIECE))
    read = served.house.blobs.read

    async def cut(*asked: Any) -> AsyncIterator[bytes]:
        async with aclosing(read(*asked)) as pieces:
            yield await anext(pieces)

    monkeypatch.setattr(served.house.blobs, "read", cut)
    for client in clients(served):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)
