"""Measures what the gateway itself costs, on servicers that do nothing: CPU time per unary call and per event.

Run it with `python -m tests.bench gateway`. Each way of serving has a process of its own; the load comes from this one
and is not counted. `transcoding` measures the whole service, and Envoy.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.bench.rig.process import cpu_seconds, one_core

CONNECTIONS = 8
CALLS = 4000
EVENTS = 20000
ROUNDS = 5
_ROOT = Path(__file__).parents[2]
_BODY = b'{"text":"hello there","number":7,"flag":true,"names":["a","b"],"inner":{"text":"deep"}}'
_UNARY = (
    b"POST /v1/samples HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n"
    b"authorization: Bearer sk_live_0123456789abcdef\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
) % (len(_BODY), _BODY)
_STREAM = b"GET /v1/stream?events=%d&pause=0 HTTP/1.1\r\nhost: bench\r\n\r\n" % EVENTS


class Way:
    """One way of serving the toy, in a process of its own."""

    def __init__(self, kind: str) -> None:
        command = [sys.executable, "-m", "tests.support.toy.bench_server", kind]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        port, *pids = self._process.stdout.readline().split()
        self.port = int(port)
        self._pids = [self._process.pid, *map(int, pids)]

    def cpu_seconds(self) -> float:
        """Give the CPU time that its processes have used so far."""
        return cpu_seconds(self._pids)

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


def run() -> Report:
    """Measure all ways in turns and give the best round of each."""
    with one_core(), ExitStack() as stack:
        ways = {kind: stack.enter_context(closing(Way(kind))) for kind in ("in_process", "channel", "constant")}
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for kind, way in ways.items():
                _keep(best, f"unary {kind}", _measured(way, _calls, CALLS))
            for kind in ("in_process", "channel"):
                _keep(best, f"event {kind}", _measured(ways[kind], _events, EVENTS))
        return _report(best)


def _report(best: dict[str, float]) -> Report:
    def figure(name: str, less: str, more: str) -> Figure:
        detail = f"{less} {best[less]:.1f} µs, {more} {best[more]:.1f} µs"
        return Figure(name, best[more] / best[less], detail=detail)

    return Report(
        "The gateway alone: CPU of gateway and grpc server together, echoing servicers, one interceptor",
        [
            figure("unary call in process, a channel takes", "unary in_process", "unary channel"),
            figure(
                "constant reply from the same HTTP server, a call in process takes",
                "unary constant",
                "unary in_process",
            ),
            figure("event in process, a channel takes", "event in_process", "event channel"),
        ],
        [f"best of {ROUNDS} rounds; {CONNECTIONS} connections for calls, one for events"],
    )


def _keep(best: dict[str, float], name: str, microseconds: float) -> None:
    best[name] = min(best.get(name, microseconds), microseconds)


def _measured(way: Way, load: Callable[[int], Awaitable[None]], units: int) -> float:
    before = way.cpu_seconds()
    asyncio.run(_timed(load, way.port))
    return (way.cpu_seconds() - before) / units * 1e6


async def _timed(load: Callable[[int], Awaitable[None]], port: int) -> None:
    async with asyncio.timeout(60):
        await load(port)


async def _calls(port: int) -> None:
    await asyncio.gather(*(_connection(port, CALLS // CONNECTIONS) for _ in range(CONNECTIONS)))


async def _connection(port: int, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(_UNARY)
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    writer.close()


async def _events(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_STREAM)
    await reader.readuntil(b"\r\n\r\n")
    tail = b""
    while b"event: end" not in tail:
        chunk = await reader.read(2**16)
        if not chunk:
            raise ConnectionError("the stream was cut")
        tail = tail[-64:] + chunk
    writer.close()


if __name__ == "__main__":
    started = time.monotonic()
    for each in run().figures:
        print(f"{each.name}: {each.ratio:.2f} x ({each.detail})")
    print(f"{time.monotonic() - started:.0f} s")
