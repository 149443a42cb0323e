"""Uploads that do not come to their end, byte by byte: no broken body becomes a file."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from google.protobuf import descriptor_pool

from gateway.bootstrap import HttpServer, build_app
from gateway.config import GatewayConfig
from gateway.edge.upstream import ChannelUpstream, InProcessUpstream
from server.adapters.system import SystemClock, SystemIds
from server.application.uploads import NewFile
from server.domain.ids import FileId
from server.domain.storage_errors import TooManyUploads
from server.engine.file_sweep import FileSweep
from server.rpc.services import DESCRIPTORS
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.test_uploads import ANNA, HOUR, URL, blocks_of, contents, files_of, token
from tests.support.house import QUICK, open_house
from tests.support.scripted_provider import ScriptedProvider

_PATIENCE = 20


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=ScriptedProvider()) as running:
        yield running


@pytest.fixture(params=["in process", "through a channel"])
def client(request: pytest.FixtureRequest, served: Served) -> httpx.AsyncClient:
    return served.in_process if request.param == "in process" else served.through_channel


@asynccontextmanager
async def connection(client: httpx.AsyncClient) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def begin(served: Served, writer: asyncio.StreamWriter, framing: str, body: bytes) -> str:
    """Send a head and a part of a body; returns the token."""
    used = await token(served, name="broken.bin")
    head = f"PUT {URL.format(token=used)} HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return used


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("content-length: 100", b"x" * 50),
        ("transfer-encoding: chunked", b"32\r\n" + b"x" * 50 + b"\r\n"),
        ("transfer-encoding: chunked", b"32\r\n" + b"x" * 50 + b"\r\nno length\r\n"),
        ("transfer-encoding: chunked", b"64\r\n" + b"x" * 50),
        ("transfer-encoding: chunked", b"32\r\n" + b"x" * 50 + b"\r\n0\r\n"),
    ],
    ids=["too short", "no last chunk", "garbage between chunks", "a cut chunk", "a cut end"],
)
async def test_a_body_that_breaks_off_is_no_file(
    served: Served, client: httpx.AsyncClient, tmp_path: Path, framing: str, body: bytes
) -> None:
    async with connection(client) as (reader, writer), asyncio.timeout(_PATIENCE):
        used = await begin(served, writer, framing, body)
        writer.write_eof()
        answer = await reader.read()
        assert b" 200 " not in answer.partition(b"\r\n")[0]
    async with asyncio.timeout(_PATIENCE):
        while list(contents(tmp_path)):  # noqa: ASYNC110 - nobody tells when a draft is gone
            await asyncio.sleep(0.01)
    assert await files_of(served.house) == []
    later = await client.put(URL.format(token=used), content=b"x")
    assert later.status_code in {200, 403}  # by whether the service had seen the first before it broke


async def test_what_follows_an_upload_on_its_connection_is_a_request_of_its_own(
    served: Served, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with connection(client) as (reader, writer), asyncio.timeout(_PATIENCE):
        following = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        await begin(served, writer, "content-length: 5", b"12345" + following)
        answer = await reader.read()
        assert answer.count(b"HTTP/1.1 200 ") == 2
    assert [path.read_bytes() for path in contents(tmp_path)] == [b"12345"]


@pytest.mark.parametrize("kind", ["in process", "through a channel"])
async def test_a_body_that_stands_still_is_given_up_and_a_slow_one_is_not(
    served: Served, tmp_path: Path, kind: str
) -> None:
    local = InProcessUpstream([served.pipeline])
    served.services.register(local)
    upstream = local if kind == "in process" else ChannelUpstream(served.address)
    patience, pause, pieces = 4.0, 1.0, 6
    app = build_app(
        pool=descriptor_pool.Default(),
        services=[service.full_name for service in DESCRIPTORS],
        upstream=upstream,
        config=GatewayConfig(body_timeout=patience),
    )

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(pieces):
            await asyncio.sleep(pause)
            yield b"x"

    async with (
        HttpServer(app, host="127.0.0.1", port=0, grace=0) as http,
        httpx.AsyncClient(base_url=f"http://{http.address}", timeout=30, trust_env=False) as client,
    ):
        reply = await client.put(URL.format(token=await token(served)), content=slowly())
        assert (reply.status_code, reply.json()["size"]) == (200, str(pieces))
        async with connection(client) as (reader, writer):
            await begin(served, writer, "content-length: 100", b"x" * 50)
            status = await asyncio.wait_for(reader.readline(), 30)
            assert b" 408 " in status
    await upstream.stop()
    await local.stop()
    async with asyncio.timeout(_PATIENCE):
        while len(list(contents(tmp_path))) > 1:  # noqa: ASYNC110 - nobody tells when a draft is gone
            await asyncio.sleep(0.01)
    assert await files_of(served.house) == ["big.bin"]


async def test_uploads_at_once_are_bounded_and_a_url_refused_for_that_stays_good(tmp_path: Path) -> None:
    most = 3
    async with open_house(tmp_path, ScriptedProvider(), limits=replace(QUICK, uploads_at_once=most)) as house:
        tokens = [(await house.uploads.grant(ANNA, NewFile(f"{n}"), HOUR)).token for n in range(most + 1)]
        arrived, go_on = [asyncio.Event() for _ in range(most)], asyncio.Event()

        async def held(number: int) -> AsyncIterator[bytes]:
            arrived[number].set()
            await go_on.wait()
            yield b"x"

        sending = [asyncio.create_task(house.uploads.put(tokens[n], held(n))) for n in range(most)]
        for event in arrived:
            await event.wait()
        with pytest.raises(TooManyUploads):
            await house.uploads.put(tokens[most], blocks_of(100))
        sending[0].cancel()
        await asyncio.wait([sending[0]])
        assert (await house.uploads.put(tokens[most], blocks_of(100))).size == 100
        go_on.set()
        await asyncio.gather(*sending[1:])
        assert len(await files_of(house)) == most


async def test_the_sweep_takes_contents_without_a_file_and_no_others(tmp_path: Path) -> None:
    async with open_house(tmp_path, ScriptedProvider()) as house:
        kept = await house.uploads.upload(ANNA, NewFile("kept"), b"kept")
        orphan, young = (FileId(str(SystemIds().uuid())) for _ in range(2))
        for file_id in (orphan, young):
            await house.blobs.put(file_id, b"nobody's")
        old = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
        for path in contents(tmp_path):
            if path.name != young:
                os.utime(path, (old, old))
        await FileSweep(store=house.store, blobs=house.blobs, clock=SystemClock()).sweep()
        assert {path.name for path in contents(tmp_path)} == {kept.id, young}
