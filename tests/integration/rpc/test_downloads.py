"""A file comes over every transport as the bytes that it is, of any size, under its name and type."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from parley.v1.file_pb2 import DownloadFileRequest
from parley.v1.file_pb2_grpc import FileServiceStub

from server.application.runs import SendMessage
from server.domain.ids import KeyId
from server.domain.principal import Owner, Principal
from server.domain.run import RunOptions
from tests.contract.api.serving import Served, serve
from tests.support.images import DOT
from tests.support.scripted_provider import ScriptedProvider

ANNA = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
PATH = "/api/v1/storage/gateway/download-file"
SIZES = [len(DOT), 256 * 1024, 256 * 1024 + 1, 10 * 2**20]
"""The last one is more than a message of gRPC may be."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=ScriptedProvider()) as running:
        await running.house.threads.create(ANNA, name="", key="talk")
        yield running


async def drawn(served: Served, content: bytes) -> str:
    """Let an image be drawn; returns its file's id."""
    served.house.provider.script_image(content)
    run = await served.house.runs.send(ANNA, SendMessage("talk", "draw", options=RunOptions(image=True)))
    await served.house.ended(run)
    image = (await served.house.threads.state(ANNA.owner, "talk")).messages[-1].image
    assert image is not None
    return image.file_id


def of_size(size: int) -> bytes:
    return DOT + os.urandom(size - len(DOT))


async def headers(served: Served, *, scopes: tuple[str, ...] = ("files:read",)) -> dict[str, str]:
    return {"x-api-key": (await served.key("anna", scopes=scopes))[1]}


@pytest.mark.parametrize("size", SIZES)
async def test_over_grpc_in_pieces(served: Served, size: int) -> None:
    content = of_size(size)
    stub: Any = FileServiceStub(served.channel)
    call = stub.DownloadFile(
        DownloadFileRequest(file_id=await drawn(served, content)), metadata=tuple((await headers(served)).items())
    )
    pieces = [piece async for piece in call]
    assert b"".join(piece.data for piece in pieces) == content
    assert [piece.content_type for piece in pieces] == ["image/png", *[""] * (len(pieces) - 1)]
    assert max(len(piece.data) for piece in pieces) <= 256 * 1024
    initial = dict(await call.initial_metadata())
    assert initial["content-disposition"] == 'inline; filename="image.png"'
    assert initial["x-request-id"]


@pytest.mark.parametrize("size", SIZES)
async def test_over_http_whole(served: Served, size: int) -> None:
    content = of_size(size)
    body, key = {"file_id": await drawn(served, content)}, await headers(served)
    for client in (served.in_process, served.through_channel):
        reply = await client.post(PATH, json=body, headers=key)
        assert (reply.status_code, reply.content == content) == (200, True)
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["content-disposition"] == 'inline; filename="image.png"'
        assert reply.headers["x-request-id"]


async def test_what_is_refused_has_a_status_a_body_and_a_request_id(served: Served) -> None:
    key = await headers(served)
    for client in (served.in_process, served.through_channel):
        reply = await client.post(PATH, json={"file_id": "none"}, headers=key)
        assert (reply.status_code, reply.json()["error"]["status"]) == (404, "NOT_FOUND")
        assert reply.headers["x-request-id"]
        assert "content-disposition" not in reply.headers


def opened(folder: Path) -> list[str]:
    """The contents of files that this process has open."""
    links = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(str(each.readlink()))
    return [link for link in links if link.startswith(str(folder / "files"))]


async def test_a_reader_who_leaves_leaves_nothing_open(served: Served, tmp_path: Path) -> None:
    body, key = {"file_id": await drawn(served, of_size(SIZES[-1]))}, await headers(served)
    for client in (served.in_process, served.through_channel):
        async with client.stream("POST", PATH, json=body, headers=key) as reply:
            await anext(reply.aiter_raw())
    stub: Any = FileServiceStub(served.channel)
    call = stub.DownloadFile(DownloadFileRequest(**body), metadata=tuple(key.items()))
    await call.read()
    call.cancel()
    async with asyncio.timeout(20):
        while opened(tmp_path):  # noqa: ASYNC110 - the server says nothing of what it has closed
            await asyncio.sleep(0.01)
