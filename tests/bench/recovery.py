"""How long nobody works on a run whose process was killed: until a restarted, or another process goes on with it."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from json import loads
from pathlib import Path

from tests.bench.figures import Figure, Report
from tests.contract.store.postgres_server import PostgresMissing, running_postgres
from tests.faults.client import Client, Seen
from tests.faults.cluster import Cluster, cluster
from tests.faults.databases import Databases
from tests.support.nursery import Nursery
from tests.support.upstream import Gate, ScriptedUpstream, answer

RESTARTS = 3
TAKEOVERS = 1
RESTART_SECONDS = 2.0
"""From the moment at which the new process accepts calls."""
TAKEOVER_SECONDS = 10.0
"""From the kill, with the leases that the service has unless it is told otherwise."""
_USUAL = {"PARLEY_LEASE_SECONDS": "6", "PARLEY_LEASE_HEARTBEAT_SECONDS": "2"}


def run() -> Report:
    """Kill, and measure."""
    with tempfile.TemporaryDirectory() as name, closing(Nursery()) as nursery, ExitStack() as stack:
        databases = Databases(Path(name), lambda: stack.enter_context(running_postgres()))
        figures, notes = asyncio.run(_measure(nursery, databases, Path(name)))
    return Report("Seconds until a run whose process was killed goes on", figures, notes)


async def _measure(nursery: Nursery, databases: Databases, folder: Path) -> tuple[list[Figure], list[str]]:
    restarts = [await _restart(nursery, databases, _made(folder / f"restart-{n}")) for n in range(RESTARTS)]
    accepting, started = map(list, zip(*restarts, strict=True))
    figures = [
        _figure("SQLite, restarted: from accepting calls to a viewer", RESTART_SECONDS, accepting),
        replace(
            _figure("SQLite, restarted: from the start of the process to the claim", RESTART_SECONDS, started), bar=None
        ),
    ]
    try:
        takeovers = [await _takeover(nursery, databases, _made(folder / f"takeover-{n}")) for n in range(TAKEOVERS)]
    except PostgresMissing as missing:
        return figures, [str(missing)]
    return [*figures, _figure("PostgreSQL, two processes: from the kill", TAKEOVER_SECONDS, takeovers)], []


def _figure(name: str, allowed: float, seconds: list[float]) -> Figure:
    """The ratio is of what is allowed to the slowest."""
    shown = ", ".join(f"{each:.2f}" for each in seconds)
    return Figure(name, allowed / max(*seconds, 0.001), 1.0, f"{shown} s of {allowed:g} s")


async def _restart(nursery: Nursery, databases: Databases, folder: Path) -> tuple[float, float]:
    """Seconds from the moment at which the new process accepts calls until a viewer sees the new attempt, and those
    from its start, for which it has imported its modules already, until the attempt is claimed."""
    async with ScriptedUpstream(default=answer("again")) as upstream:
        upstream.script(answer("one ", Gate()))
        database = await databases.sqlite(folder)
        opened = cluster(
            folder=folder,
            database=database,
            upstream=upstream.base_url,
            shared=False,
            nursery=nursery,
            settings=_USUAL,
        )
        async with opened as servers:
            servers.turn_to(await servers.start("server"))
            client = Client(servers, database.key)
            run_id = await _speaking(client, servers)
            await servers.current.kill()
            started = time.time()
            servers.turn_to(await servers.start("server"))
            reset = await _reset(client, servers, run_id)
            seen = time.time()
            await client.close()
            return seen - servers.current.ready_at, reset - started


async def _takeover(nursery: Nursery, databases: Databases, folder: Path) -> float:
    async with ScriptedUpstream(default=answer("again")) as upstream:
        upstream.script(answer("one ", Gate()))
        database = await databases.postgres(folder)
        opened = cluster(
            folder=folder,
            database=database,
            upstream=upstream.base_url,
            shared=True,
            nursery=nursery,
            settings=_USUAL,
        )
        async with opened as servers:
            first, second = await asyncio.gather(servers.start("first"), servers.start("second"))
            servers.turn_to(first)
            client = Client(servers, database.key)
            run_id = await _speaking(client, servers)
            killed = time.time()
            await first.kill()
            servers.turn_to(second)
            reset = await _reset(client, servers, run_id)
            await client.close()
            return reset - killed


async def _speaking(client: Client, servers: Cluster) -> str:
    """A run that has begun to answer."""
    await client.call("create-thread", {"conversation_key": "talk", "name": ""})
    run_id = await client.send("talk", "hi")
    await _event(client, servers, run_id, lambda seen: seen.name == "text_delta")
    return run_id


async def _reset(client: Client, servers: Cluster, run_id: str) -> float:
    """When the new attempt was claimed, by the wall clock of this machine."""
    seen = await _event(client, servers, run_id, lambda seen: seen.name == "attempt_reset")
    data = next(line for line in seen.raw.split("\n") if line.startswith("data:"))
    return datetime.fromisoformat(loads(data.removeprefix("data:"))["createdAt"]).timestamp()


async def _event(client: Client, servers: Cluster, run_id: str, wanted: Callable[[Seen], bool]) -> Seen:
    return (await client.replay(servers.current, "stream-run", {"run_id": run_id}, until=wanted))[-1]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
