"""A content of any size is taken in piece by piece behind a signed URL, or not at all."""

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from parley.v1 import file_pb2 as pb
from parley.v1.file_pb2_grpc import FileServiceStub

from server.application.uploads import NewFile
from server.domain.errors import ParleyError
from server.domain.ids import KeyId
from server.domain.limits import Limits
from server.domain.principal import Owner, Principal
from server.domain.storage import StoredFile
from server.domain.storage_errors import FileNameTaken, SignedUrlInvalid, StorageFull
from tests.contract.api.serving import Served, serve
from tests.support.house import QUICK, House, open_house
from tests.support.scripted_provider import ScriptedProvider

ANNA = Principal(Owner("acme", "anna"), frozenset({"*"}), KeyId("k"))
MEBIBYTE = 2**20
PIECE = 64 * 1024
HOUR = timedelta(hours=1)
URL = "/api/v1/storage/uploads/{token}"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=ScriptedProvider()) as running:
        yield running


@pytest.fixture(params=["in process", "through a channel"])
def client(request: pytest.FixtureRequest, served: Served) -> httpx.AsyncClient:
    return served.in_process if request.param == "in process" else served.through_channel


async def token(served: Served, **fields: object) -> str:
    wanted = replace(NewFile("big.bin"), **fields)  # type: ignore[arg-type]
    return (await served.house.uploads.grant(ANNA, wanted, HOUR)).token


async def blocks(size: int, digest: "hashlib._Hash | None" = None) -> AsyncIterator[bytes]:
    block = os.urandom(PIECE)
    for _ in range(size // PIECE):
        if digest is not None:
            digest.update(block)
        yield block


def contents(folder: Path) -> Iterator[Path]:
    return (path for path in (folder / "files").rglob("*") if path.is_file())


async def files_of(house: House) -> list[str]:
    page = await house.storage.page(ANNA.owner, "", tag="", page_size=0, page_token="")
    return [entry.name for entry in page.items]


async def test_a_hundred_mebibytes_pass_through_little_memory(
    served: Served, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    url, digest = URL.format(token=await token(served)), hashlib.sha256()
    size = 100 * MEBIBYTE
    tracemalloc.start()
    try:
        reply = await client.put(url, content=blocks(size, digest), headers={"content-length": str(size)})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reply.status_code == 200
    assert (reply.json()["size"], reply.json()["sha256"]) == (str(size), digest.hexdigest())
    assert peak < 32 * MEBIBYTE
    assert [path.stat().st_size for path in contents(tmp_path)] == [size]


async def test_a_content_of_unknown_length_is_refused_as_soon_as_it_is_too_large(
    served: Served, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    reply = await client.put(URL.format(token=await token(served)), content=blocks(101 * MEBIBYTE))
    assert (reply.status_code, reply.json()["error"]["details"][0]["reason"]) == (413, "FILE_TOO_LARGE")
    assert not list(contents(tmp_path))


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    served: Served, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    used = await token(served)
    arrived = asyncio.Event()

    async def broken_off() -> AsyncIterator[bytes]:
        async for block in blocks(MEBIBYTE):
            yield block
        arrived.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(client.put(URL.format(token=used), content=broken_off()))
    await arrived.wait()
    async with asyncio.timeout(20):
        while not list(contents(tmp_path)):  # noqa: ASYNC110 - nobody tells that the draft is begun
            await asyncio.sleep(0.01)
    sending.cancel()
    async with asyncio.timeout(20):
        while list(contents(tmp_path)):  # noqa: ASYNC110 - nobody tells when a draft is gone
            await asyncio.sleep(0.01)
    assert await files_of(served.house) == []
    again = await client.put(URL.format(token=used), content=b"x")
    assert again.status_code == 403


async def test_what_is_refused_before_its_body_is_read_is_answered(client: httpx.AsyncClient) -> None:
    # Often, for the refusal races with what is being sent.
    for _ in range(40):
        reply = await client.put(URL.format(token="x"), content=blocks(MEBIBYTE))
        assert (reply.status_code, reply.json()["error"]["details"][0]["reason"]) == (403, "SIGNED_URL_INVALID")


async def test_a_compressed_body_is_refused(served: Served, client: httpx.AsyncClient) -> None:
    url = URL.format(token=await token(served))
    assert (await client.put(url, content=b"x", headers={"content-encoding": "gzip"})).status_code == 415
    assert (await client.put(url, content=b"x")).status_code == 200


async def test_no_body_is_an_empty_file(served: Served, client: httpx.AsyncClient) -> None:
    reply = await client.put(URL.format(token=await token(served)))
    assert (reply.status_code, reply.json()["size"]) == (200, "0")


async def test_over_grpc_in_as_many_messages_as_one_likes(served: Served, tmp_path: Path) -> None:
    content = os.urandom(5 * MEBIBYTE)
    used = await token(served, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    async def requests() -> AsyncIterator[pb.PutFileRequest]:
        yield pb.PutFileRequest(token=used)
        for start in range(0, len(content), MEBIBYTE):
            request = pb.PutFileRequest()
            request.content.data = content[start : start + MEBIBYTE]
            yield request
        yield pb.PutFileRequest(last=True)

    stub = FileServiceStub(served.channel)
    file = await stub.PutFile(requests())
    assert file.size == len(content)
    assert [path.read_bytes() for path in contents(tmp_path)] == [content]


async def test_a_stream_that_does_not_say_that_it_is_whole_is_not(served: Served, tmp_path: Path) -> None:
    used = await token(served)

    async def requests() -> AsyncIterator[pb.PutFileRequest]:
        yield pb.PutFileRequest(token=used)
        request = pb.PutFileRequest()
        request.content.data = b"half of it"
        yield request

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await FileServiceStub(served.channel).PutFile(requests())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not list(contents(tmp_path))


async def test_a_stream_without_a_message_is_refused(served: Served) -> None:
    stub = FileServiceStub(served.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PutFile(iter(()))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_download_is_saved_and_never_shown(served: Served, client: httpx.AsyncClient) -> None:
    content = b"<script>alert(1)</script>"
    wanted = NewFile('häß"lich.html', media_type="text/html")
    file = await served.house.uploads.upload(ANNA, wanted, content)
    shared = await served.house.files.share(ANNA.owner, file.id, HOUR)
    reply = await client.get(f"/api/v1/storage/downloads/{shared.token}")
    assert (reply.status_code, reply.content) == (200, content)
    assert reply.headers["content-disposition"] == (
        "attachment; filename=\"h___lich.html\"; filename*=UTF-8''h%C3%A4%C3%9F%22lich.html"
    )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")


def _limits(**fields: int) -> Limits:
    return replace(QUICK, **fields)  # type: ignore[arg-type]


async def _outcomes(*uploads: Coroutine[Any, Any, StoredFile]) -> list[type]:
    done = await asyncio.gather(*uploads, return_exceptions=True)
    return sorted((type(each) for each in done), key=lambda kind: kind.__name__)


async def test_uploads_at_once_do_not_exceed_the_quota_together(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider(), limits=_limits(storage_bytes=1000)) as house:
        outcomes = await _outcomes(
            *(house.uploads.upload(ANNA, NewFile(f"{number}.bin"), bytes(300)) for number in range(8))
        )
        assert outcomes.count(StoredFile) == 3
        assert outcomes.count(StorageFull) == 5
        usage = await house.storage.usage(ANNA.owner)
        assert (usage.bytes, usage.entries) == (900, 3)
        assert len(list(contents(tmp_path))) == 3


async def test_uploads_by_urls_at_once_do_not_exceed_the_quota_together(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider(), limits=_limits(storage_bytes=1000)) as house:
        tokens = [(await house.uploads.grant(ANNA, NewFile(f"{number}.bin"), HOUR)).token for number in range(8)]
        outcomes = await _outcomes(*(house.uploads.put(each, blocks_of(300)) for each in tokens))
        assert outcomes.count(StoredFile) == 3
        assert (await house.storage.usage(ANNA.owner)).bytes == 900
        assert len(list(contents(tmp_path))) == 3


async def blocks_of(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        await asyncio.sleep(0)
        yield bytes(100)


async def test_of_uploads_at_once_under_one_name_one_is_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider()) as house:
        names = ("a.txt", "A.txt", "\uff41.txt", "a.TXT")
        outcomes = await _outcomes(*(house.uploads.upload(ANNA, NewFile(name), b"x") for name in names))
        assert (outcomes.count(StoredFile), outcomes.count(FileNameTaken)) == (1, 3)
        assert len(list(contents(tmp_path))) == 1


async def test_one_url_is_used_once_however_many_try(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider()) as house:
        used = (await house.uploads.grant(ANNA, NewFile("a.txt"), HOUR)).token
        outcomes = await _outcomes(*(house.uploads.put(used, blocks_of(300)) for _ in range(5)))
        assert outcomes.count(StoredFile) == 1
        assert all(issubclass(kind, ParleyError | StoredFile) for kind in outcomes)


async def test_whoever_missed_the_reply_sends_again_and_stores_nothing_more(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider()) as house:
        used = (await house.uploads.grant(ANNA, NewFile("a.txt"), HOUR)).token
        made = await house.uploads.put(used, blocks_of(300))
        assert [await house.uploads.put(used, blocks_of(300)) for _ in range(3)] == [made] * 3
        with pytest.raises(SignedUrlInvalid):
            await house.uploads.put(used, blocks_of(200))
        assert (await house.storage.usage(ANNA.owner)).bytes == 300
        assert len(list(contents(tmp_path))) == 1


async def test_the_number_of_entries_is_bounded(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider(), limits=_limits(storage_entries=2)) as house:
        await house.storage.create_folder(ANNA, "one", "")
        await house.uploads.upload(ANNA, NewFile("two"), b"")
        with pytest.raises(StorageFull):
            await house.uploads.upload(ANNA, NewFile("three"), b"")
        with pytest.raises(StorageFull):
            await house.storage.create_folder(ANNA, "three", "")
        assert len(list(contents(tmp_path))) == 1
