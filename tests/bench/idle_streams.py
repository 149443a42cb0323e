"""What an idle stream keeps in memory: growth of `parley serve` by a thousand viewers who watch threads of their own.

Resident memory of the process, which no cache of the operating system counts in. The viewers come, go and come again:
what the second time adds on top of the first would be a leak.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.figures import Figure, Report
from tests.bench.rig.speech import make_threads, post, thread_key
from tests.e2e.service import Service, running

STREAMS = 1000
TIMES = 3
_WATCH = "/api/v1/llm/gateway/watch-thread"
_AT_ONCE = 250
_SETTLE_SECONDS = 20
_POLL_SECONDS = 0.1


def run() -> Report:
    """Open and close them a few times."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with running(data, env={"PARLEY_LOG_LEVEL": "warning"}, as_program=True) as service:
            asyncio.run(make_threads(data / "parley.db", STREAMS))
            return asyncio.run(_bench(service))


async def _bench(service: Service) -> Report:
    await _opened_and_closed(service, _AT_ONCE)
    before = _resident_kib(service)
    held = [await _opened_and_closed(service, STREAMS) for _ in range(TIMES)]
    after = _resident_kib(service)
    first, last = ((kib - before) / STREAMS for kib in (held[0], held[-1]))
    return Report(
        f"Resident memory of {STREAMS} idle streams",
        [
            Figure("with them, over without", held[0] / before, None, f"{before} KiB before, {held[0]} KiB with them"),
            Figure(f"time {TIMES} over time 1", last / first, None, f"{last:.1f} KiB a stream, {first:.1f} at first"),
        ],
        [f"{first:.1f} KiB a stream; {after} KiB once all have gone for the last time"],
    )


async def _opened_and_closed(service: Service, streams: int) -> int:
    """Resident KiB of the service while so many streams are open; returns when it has noticed that they are closed."""
    host, _, port = service.addresses["http"].rpartition(":")
    slots = asyncio.Semaphore(_AT_ONCE)
    descriptors = _descriptors(service)

    async def open_one(number: int) -> asyncio.StreamWriter:
        async with slots:
            reader, writer = await asyncio.open_connection(host, int(port), limit=2048)
            body = {"conversation_key": thread_key(number)}
            writer.write(post(service.addresses["http"], _WATCH, service.development_key, body))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            return writer

    writers = await asyncio.gather(*(open_one(number) for number in range(streams)))
    resident = _resident_kib(service)
    for writer in writers:
        writer.close()
    async with asyncio.timeout(_SETTLE_SECONDS):
        while _descriptors(service) > descriptors:  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(_POLL_SECONDS)
    return resident


def _resident_kib(service: Service) -> int:
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _descriptors(service: Service) -> int:
    """How many files and sockets the service has open."""
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
