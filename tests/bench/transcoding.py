"""What a JSON call costs, server-side CPU of all processes: `parley serve` against everything it could stand behind.

Contestants, in turns in one run, on the same servicers, interceptors and data: `parley serve` in process; our gateway
through a channel to its gRPC port; Envoy's JSON transcoder to the same port; a gRPC client on that port without any
JSON; and, as the floor, a constant reply of the same size from the same HTTP server. The client's CPU does not count.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.figures import Figure, Report
from tests.bench.rig import envoy
from tests.bench.rig.load import GrpcLoad, HttpLoad, LoadClient, Tally
from tests.bench.rig.process import announced, cpu_seconds, one_core, serving
from tests.bench.rig.workload import SUPPLIED, UNARY, Workload, fill

ROUNDS = 9
SECONDS = 0.25
WARM_UP_SECONDS = 0.3
BAR = 8.0
"""How many times our CPU Envoy and the server behind it take together; DESIGN.md 10."""

OURS = "serve, in process"
CHANNEL = "our gateway through a channel"
ENVOY = "Envoy's transcoder"
GRPC = "gRPC client, no JSON"
FLOOR = "constant reply (floor)"
_SERVICES = ("parley.v1.ThreadService", "parley.v1.RunService")


@dataclass(frozen=True, slots=True)
class Backend:
    """A service under load."""

    pid: int
    http: str
    grpc: str
    key: str


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to serve a workload: the processes it takes, and the load that reaches them."""

    name: str
    pids: tuple[int, ...]
    load: Callable[[Workload, float], HttpLoad | GrpcLoad]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one unit (a call, an event of a stream) took: CPU microseconds server-side, and how many came a second."""

    microseconds: float
    per_second: float


def run() -> Report:
    """Measure every workload on every contestant that can be had here."""
    figures: list[Figure] = []
    notes = [
        "ratios: the other's CPU a call or event, all server-side processes together, over ours; medians of the rounds",
        "all processes, the client's too, share one core, so that no figure holds the price of waking another",
        "data at hand: no store is asked for threads, messages or events, so what counts is the way to the caller",
    ]
    try:
        binary = envoy.installed()
    except envoy.NoEnvoy as error:
        binary = None
        notes.append(f"without Envoy: {error}")
    with one_core(), TemporaryDirectory() as folder, LoadClient() as client:
        for module, workloads in (("server", UNARY), ("tests.bench.rig.supplied_server", SUPPLIED)):
            with _contestants(module, Path(folder) / module, binary) as contestants, _floor() as floor:
                for workload in workloads:
                    figures += _figures(workload, client, contestants, floor)
    return Report("A JSON call, and a server-sent event: CPU of the server's side", figures, notes)


@contextmanager
def _backend(module: str, data: Path) -> Iterator[Backend]:
    """`serve`, as a user starts it, with something in its database."""
    with serving(module, data) as (pid, addresses):
        asyncio.run(fill(data / "parley.db"))
        yield Backend(pid, addresses["http"], addresses["grpc"], (data / "dev.key").read_text().strip())


@contextmanager
def _contestants(module: str, data: Path, binary: Path | None) -> Iterator[list[Contestant]]:
    """Everything that can serve the workloads of one backend, with the backend itself."""
    with ExitStack() as stack:
        backend = stack.enter_context(_backend(module, data))
        found = [_over_http(OURS, (backend.pid,), backend.http, backend.key)]
        words = (sys.executable, "-m", "gateway", "--upstream", backend.grpc, "--http", "127.0.0.1:0")
        pid, line = stack.enter_context(announced(words))
        found.append(_over_http(CHANNEL, (pid, backend.pid), line.split()[2].removeprefix("http://"), backend.key))
        if binary is not None:
            pid, address = stack.enter_context(envoy.transcoder(binary, upstream=backend.grpc, services=_SERVICES))
            found.append(_over_http(ENVOY, (pid, backend.pid), address, backend.key))
        found.append(
            Contestant(GRPC, (backend.pid,), lambda work, seconds: work.over_grpc(backend.grpc, backend.key, seconds))
        )
        yield found


def _over_http(name: str, pids: tuple[int, ...], address: str, key: str) -> Contestant:
    return Contestant(name, pids, lambda work, seconds: work.over_http(address, key, seconds))


@contextmanager
def _floor() -> Iterator[Callable[[int], Contestant]]:
    """The constant server, as a contestant for replies of a size."""
    with announced((sys.executable, "-m", "tests.bench.rig.constant_server")) as (pid, address):
        yield lambda size: Contestant(FLOOR, (pid,), lambda work, seconds: work.of_constants(address, size, seconds))


def _rounds(workload: Workload, client: LoadClient, contestants: Sequence[Contestant]) -> dict[str, list[Cost]]:
    """What each contestant cost, round by round. In turns, so that a change of the machine's pace meets all of them."""
    rounds = [[_measure(workload, client, each) for each in contestants] for _ in range(ROUNDS)]
    return {each.name: list(costs) for each, costs in zip(contestants, zip(*rounds, strict=True), strict=True)}


def _measure(workload: Workload, client: LoadClient, contestant: Contestant) -> Cost:
    before = cpu_seconds(contestant.pids)
    tally = client.run(contestant.load(workload, SECONDS))
    spent = cpu_seconds(contestant.pids) - before
    units = tally.events if workload.events else tally.calls
    return Cost(spent / units * 1e6, units / tally.seconds)


def _size(workload: Workload, tally: Tally) -> int:
    """Bytes of JSON a unit."""
    return round(tally.body_bytes / (tally.events if workload.events else tally.calls))


def _figures(
    workload: Workload, client: LoadClient, contestants: Sequence[Contestant], floor: Callable[[int], Contestant]
) -> list[Figure]:
    """Warm everything up, measure, compare."""
    sizes = [_size(workload, client.run(each.load(workload, WARM_UP_SECONDS))) for each in contestants]
    everybody = [*contestants, floor(sizes[0])]
    client.run(everybody[-1].load(workload, WARM_UP_SECONDS))
    costs = _rounds(workload, client, everybody)
    return [_figure(workload, sizes[0], name, costs[name], costs[OURS]) for name in costs]


def _figure(workload: Workload, size: int, name: str, costs: Sequence[Cost], ours: Sequence[Cost]) -> Figure:
    """One contestant against ours: the median of the rounds, each compared with its own round of ours."""
    ratio = median(cost.microseconds / own.microseconds for cost, own in zip(costs, ours, strict=True))
    title = f"{workload.name} ({size} B): {name}" if name == OURS else f"  {name}"
    return Figure(title, ratio, BAR if name == ENVOY else None, _detail(costs, "event" if workload.events else "call"))


def _detail(costs: Sequence[Cost], unit: str) -> str:
    cpu = median(cost.microseconds for cost in costs)
    rate = median(cost.per_second for cost in costs)
    return f"{cpu:6.1f} us CPU per {unit}, {1e6 / cpu:6.0f} per CPU second, {rate:6.0f} per second"
