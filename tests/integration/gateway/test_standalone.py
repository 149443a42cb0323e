"""`python -m gateway` fronts a foreign service from its descriptor set alone."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from grpc_health.v1 import health  # type: ignore[import-untyped]

from tests.support.toy import Record, compiled
from tests.support.toy.served import grpc_server

ROOT = Path(__file__).parents[3]


@contextlib.asynccontextmanager
async def gateway(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the gateway with these arguments; it is killed if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def test_a_descriptor_set_is_all_it_needs() -> None:
    arguments = ("--http", "127.0.0.1:0", "--descriptors", str(compiled().descriptors))
    async with (
        grpc_server(Record(), health.aio.HealthServicer()) as (_, address),
        gateway("--upstream", address, *arguments) as process,
        httpx.AsyncClient(timeout=20) as client,
    ):
        line = await first_line(process)
        base = line.split()[2]
        assert (await client.get(f"{base}/readyz")).status_code == 200
        assert (await client.get(f"{base}/v1/match/x")).json() == {"method": "Star", "text": "x"}
        reply = await client.post(f"{base}/quirks/echo", json={"text": "x", "wide": 5})
        assert (reply.json()["wide"], reply.json()["maybe"]) == (5, None)
        error = await client.get(f"{base}/v1/act?code=5&reason=NO_SUCH_TOY")
        assert (error.status_code, error.json()["details"][0]["reason"]) == (410, "NO_SUCH_TOY")
        assert (await client.get(f"{base}/v1/stream?events=1")).text.endswith("event: end\ndata: {}\n\n")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_services_can_be_chosen() -> None:
    arguments = ("--http", "127.0.0.1:0", "--descriptors", str(compiled().descriptors), "--services", "toy.v1.Quirks")
    async with (
        grpc_server(Record(), health.aio.HealthServicer()) as (_, address),
        gateway("--upstream", address, *arguments) as process,
        httpx.AsyncClient(timeout=20) as client,
    ):
        base = (await first_line(process)).split()[2]
        assert (await client.get(f"{base}/quirks/echo")).status_code == 200
        assert (await client.get(f"{base}/v1/act")).status_code == 404


async def failing(*arguments: str) -> str:
    """Give what the gateway says when it refuses to start."""
    async with gateway(*arguments) as process:
        out, errors = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, out) == (2, b"")
        return errors.decode()


async def test_bad_arguments_are_refused_with_a_sentence(tmp_path: Path) -> None:
    upstream = ("--upstream", "127.0.0.1:1", "--http", "127.0.0.1:0")
    nonsense = tmp_path / "nonsense.binpb"
    nonsense.write_bytes(b"\xff\xff")
    empty = tmp_path / "empty.binpb"
    empty.write_bytes(b"")
    toy = str(compiled().descriptors)
    assert "no serialised FileDescriptorSet" in await failing(*upstream, "--descriptors", str(nonsense))
    assert "holds no descriptors" in await failing(*upstream, "--descriptors", str(empty))
    assert "No such file" in await failing(*upstream, "--descriptors", str(tmp_path / "missing"))
    assert "no service 'toy.v1.Nothing'" in await failing(
        *upstream, "--descriptors", toy, "--services", "toy.v1.Nothing"
    )
    assert "not HOST:PORT" in await failing("--upstream", "127.0.0.1:1", "--http", "somewhere")
