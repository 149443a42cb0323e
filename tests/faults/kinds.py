"""The kinds of cells, by the act into which their fault comes."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from tests.faults.caches import Caches
from tests.faults.cancellations import Cancellations, Withdrawals
from tests.faults.cells import Cell
from tests.faults.client import Client
from tests.faults.cluster import cluster
from tests.faults.databases import Database
from tests.faults.drains import Drains
from tests.faults.play import Outcome, Play
from tests.faults.revisions import Regenerations, Revisions
from tests.faults.sends import Sends
from tests.faults.tool_ends import Expiries, ToolCancellations, ToolDeletions, ToolDrains, ToolInterrupts
from tests.faults.tools import ClientTools, RepeatableTools, Tools
from tests.support.nursery import Nursery
from tests.support.upstream import ScriptedUpstream

KINDS: Final[Mapping[str, type[Play]]] = {
    "send": Sends,
    "edit": Revisions,
    "regenerate": Regenerations,
    "cancel": Cancellations,
    "withdraw": Withdrawals,
    "drain": Drains,
    "cache": Caches,
    "tool": Tools,
    "repeat": RepeatableTools,
    "tool-interrupt": ToolInterrupts,
    "tool-cancel": ToolCancellations,
    "tool-delete": ToolDeletions,
    "tool-drain": ToolDrains,
    "client": ClientTools,
    "expiry": Expiries,
}


async def play(cell: Cell, folder: Path, database: Database, nursery: Nursery) -> Outcome:
    """Play a cell in an empty folder."""
    kind = KINDS[cell.act]
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream())
        servers = await stack.enter_async_context(
            cluster(
                folder=folder,
                database=database,
                upstream=upstream.base_url,
                shared=cell.fault == "stop",
                nursery=nursery,
                settings=kind.settings(cell, folder),
            )
        )
        client = Client(servers, database.key)
        stack.push_async_callback(client.close)
        playing = kind(cell=cell, servers=servers, client=client, database=database, upstream=upstream, folder=folder)
        upstream.script(*playing.scripts())
        upstream.default = playing.default()
        return await playing.play()
