"""What files cost through `parley serve`, beside the bare storage in the same run: a directory, and a bucket of a real
S3-compatible server on this machine.

A file of 10 MiB goes in by a signed URL and comes out by one. The floors are a file that is written and synced, and one
that is read; and for the bucket the same bytes in one signed request to it. All of them share this machine's cores.
"""

import asyncio
import base64
import http.client
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from server.adapters.blobs.directory import DirectoryBlobs
from server.adapters.blobs.s3.blobs import S3Blobs
from server.adapters.blobs.s3.client import S3Client
from server.adapters.system import SystemClock, SystemIds
from server.domain.ids import FileId
from server.ports.blobs import Blobs
from tests.bench.figures import Figure, Report
from tests.bench.rig.process import serving
from tests.support.s3.artifacts import S3Missing
from tests.support.s3.server import BUCKET, CREDENTIALS, REGION, S3Server

MEBIBYTE: Final = 2**20
SIZE: Final = 10 * MEBIBYTE
LARGE: Final = 100 * MEBIBYTE
ROUNDS: Final = 7
SMALL_ROUNDS: Final = 40
MEMORY_BAR: Final = 64
"""Mebibytes by which a process may grow over a file of 100 MiB."""
_GATEWAY: Final = "/api/v1/storage/gateway"
_PIECE: Final = 256 * 1024
_KEYS: Final = {"S3_ACCESS": CREDENTIALS.access_key, "S3_SECRET": CREDENTIALS.secret_key}


Storage = Callable[[], AbstractAsyncContextManager[Blobs]]


class Floor(NamedTuple):
    """Seconds that the bare storage takes, each the median."""

    put: float
    read: float
    small: float
    """To keep a content of 1 KiB."""


def run() -> Report:
    """Measure a directory, then a bucket where a server for one can be had."""
    figures, notes = list[Figure](), ["ratio: time of the bare storage over time through the service"]
    with tempfile.TemporaryDirectory() as folder, serving("server", Path(folder, "data")) as (pid, addresses):
        data = Path(folder, "data")
        client = Client(addresses["http"], (data / "dev.key").read_text().strip())
        figures += _measured("directory", client, pid, lambda: _directory(Path(folder) / "floor"))
    try:
        with _in_bucket() as (client, pid, floor):
            figures += _measured("bucket", client, pid, floor)
    except S3Missing as missing:
        notes.append(f"no bucket: {missing}")
    return Report(f"Files of {SIZE // MEBIBYTE} MiB by signed URLs, through parley serve", figures, notes)


class Client:
    """One connection to the service, and what the bench asks there."""

    def __init__(self, address: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=120)
        self._key = key
        self._number = 0

    def upload(self, content: bytes) -> tuple[float, str]:
        """Seconds of an upload by a signed URL, and the file's id."""
        self._number += 1
        leave = self.call("generate-upload-url", {"name": f"{self._number}.bin", "size": len(content)})
        began = time.perf_counter()
        self._connection.request("PUT", _path(leave["url"]), content)
        file = self._answer()
        return time.perf_counter() - began, json.loads(file)["fileId"]

    def download(self, file_id: str, size: int) -> float:
        """Seconds of a download by a signed URL."""
        leave = self.call("generate-download-url", {"file_id": file_id})
        began = time.perf_counter()
        self._connection.request("GET", _path(leave["url"]))
        response = self._connection.getresponse()
        got = 0
        while piece := response.read(_PIECE):
            got += len(piece)
        seconds = time.perf_counter() - began
        if response.status != http.client.OK or got != size:
            raise RuntimeError(f"a download of {size} bytes came as {response.status} with {got}")
        return seconds

    def small(self, content: bytes) -> float:
        """Seconds of an upload in a request."""
        self._number += 1
        body = {"name": f"{self._number}.bin", "content": base64.b64encode(content).decode()}
        began = time.perf_counter()
        self.call("upload-file", body)
        return time.perf_counter() - began

    def delete(self, file_id: str) -> None:
        """Make room."""
        self.call("delete-file", {"file_id": file_id})

    def call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """The reply of a route of storage."""
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        self._connection.request("POST", f"{_GATEWAY}/{method}", json.dumps(body), headers)
        reply: dict[str, Any] = json.loads(self._answer())
        return reply

    def _answer(self) -> bytes:
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"the service answered {response.status}: {content[:200]!r}")
        return content


def _measured(place: str, client: Client, pid: int, floor: Storage) -> Iterator[Figure]:
    content, little = os.urandom(SIZE), os.urandom(1024)
    bare = asyncio.run(_bare(floor, content, little))
    client.delete(client.upload(content)[1])  # the first of everything costs more
    up, down, small = _Times(), _Times(), _Times()
    for _ in range(ROUNDS):
        seconds, file_id = client.upload(content)
        up.add(seconds)
        down.add(client.download(file_id, SIZE))
        client.delete(file_id)
    for _ in range(SMALL_ROUNDS):
        small.add(client.small(little))
    yield _speed(f"{place}: upload", up.median, bare.put)
    yield _speed(f"{place}: download", down.median, bare.read)
    detail = f"{small.median * 1e3:.1f} ms, floor {bare.small * 1e3:.1f} ms, median of {SMALL_ROUNDS}"
    yield Figure(f"{place}: a file of 1 KiB in a request", bare.small / small.median, None, detail)
    yield _memory(place, client, pid)


class _Times:
    """Seconds of one operation, again and again."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def add(self, seconds: float) -> None:
        """Take note."""
        self._seconds.append(seconds)

    @property
    def median(self) -> float:
        """Their median."""
        return statistics.median(self._seconds)


def _speed(name: str, seconds: float, floor: float) -> Figure:
    detail = f"{SIZE / seconds / 1e6:.0f} MB/s, floor {SIZE / floor / 1e6:.0f} MB/s"
    return Figure(name, floor / seconds, None, detail)


def _memory(place: str, client: Client, pid: int) -> Figure:
    """How much the process grows over a large file on its way in and out."""
    before = _peak(pid)
    _, file_id = client.upload(os.urandom(LARGE))
    client.download(file_id, LARGE)
    client.delete(file_id)
    grown = max((_peak(pid) - before) / MEBIBYTE, 0.1)
    detail = f"{grown:.0f} MiB more at the highest, bar {MEMORY_BAR} MiB"
    return Figure(f"{place}: memory at {LARGE // MEBIBYTE} MiB", MEMORY_BAR / grown, 1, detail)


def _peak(pid: int) -> int:
    """Bytes of memory that a process has held at most."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def _bare(storage: Storage, content: bytes, little: bytes) -> Floor:
    """Whole contents in one go, each read, and little ones."""
    put, read, small = _Times(), _Times(), _Times()
    async with storage() as blobs:
        for body, times, rounds in ((content, put, ROUNDS), (little, small, SMALL_ROUNDS)):
            for _ in range(rounds):
                file_id = FileId(str(SystemIds().uuid()))
                began = time.perf_counter()
                await blobs.put(file_id, body)
                times.add(time.perf_counter() - began)
                began = time.perf_counter()
                async for _piece in blobs.read(file_id):
                    pass
                if body is content:
                    read.add(time.perf_counter() - began)
                await blobs.delete([file_id])
    return Floor(put.median, read.median, small.median)


@asynccontextmanager
async def _directory(folder: Path) -> AsyncIterator[Blobs]:
    """The bare directory."""
    yield DirectoryBlobs(folder)


@asynccontextmanager
async def _bucket(server: S3Server) -> AsyncIterator[Blobs]:
    """The bare bucket, over connections of its own."""
    async with aclosing(S3Client(server.config(), clock=SystemClock(), random=random.random)) as client:
        yield S3Blobs(client, prefix="floor/", secret=bytes(32))


@contextmanager
def _in_bucket() -> Iterator[tuple[Client, int, Storage]]:
    """A service whose contents lie in a bucket, its process, and the bare bucket."""
    server = S3Server(may_build=False)
    with tempfile.TemporaryDirectory() as folder:
        try:
            server.start()
            config, data = Path(folder) / "storage.toml", Path(folder) / "data"
            config.write_text(
                f'[[providers]]\nname = "echo"\nkind = "echo"\n[storage]\nendpoint = "http://127.0.0.1:{server.port}"\n'
                f'bucket = "{BUCKET}"\nregion = "{REGION}"\n'
                'access_key_env = "S3_ACCESS"\nsecret_key_env = "S3_SECRET"\n'
            )
            with serving("server", data, "--config", config, env=_KEYS) as (pid, addresses):
                client = Client(addresses["http"], (data / "dev.key").read_text().strip())
                yield client, pid, lambda: _bucket(server)
        finally:
            server.stop()
            server.remove()


def _path(url: str) -> str:
    return urlsplit(url).path
