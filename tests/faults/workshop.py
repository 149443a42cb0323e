"""Server processes with a tool server that is scripted, and a model that asks for what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.faults.client import Client, Seen
from tests.faults.cluster import Cluster, Node, cluster
from tests.faults.databases import Database
from tests.support.ledger import check_ledger
from tests.support.mcp.scripted import ScriptedMcp
from tests.support.nursery import Nursery
from tests.support.upstream import Delta, RecordedRequest, Script, ScriptedUpstream, answer

_PATIENCE_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.05
_SERVER: Final = "bank"
_CLIENTS: Final = "locate"


class Workshop:
    """Processes on one database. A message `call A B*3` has the model ask for the tool A and thrice for B, in this
    order, and then answer; of the client's tool when it is called `locate`, else of the scripted server's."""

    def __init__(self, servers: Cluster, client: Client, mcp: ScriptedMcp) -> None:
        self.servers = servers
        self.client = client
        self.mcp = mcp

    async def thread(self, key: str) -> None:
        """A thread that has all tools."""
        await self.client.call("create-thread", {"conversation_key": key, "name": ""})
        tools = [{"name": _CLIENTS, "input_schema": {"type": "object"}}]
        settings = {"mcp_servers": {"names": [_SERVER]}, "client_tools": {"tools": tools}}
        await self.client.call("update-settings", {"conversation_key": key, "settings": settings})

    async def send(self, key: str, content: str) -> str:
        """Send a message; returns its run."""
        return await self.client.send(key, content)

    async def pending(self, key: str, count: int = 1, *, but: Sequence[Any] = ()) -> list[Any]:
        """Wait until so many calls wait for a person, other requests than those; returns them."""
        known = {(each["toolCallId"], each["requestedAt"]) for each in but}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                found = (await self.client.call("list-pending-approvals", {"conversation_key": key}))["approvals"]
                new = [each for each in found if (each["toolCallId"], each["requestedAt"]) not in known]
                if len(new) >= count:
                    return new
                await asyncio.sleep(_POLL_SECONDS)

    async def decide(
        self, key: str, call_id: str, *, approved: bool = True, node: Node | None = None
    ) -> httpx.Response:
        """One attempt to decide."""
        decision = {"tool_call_id": call_id, "approved": approved}
        body = {"conversation_key": key, "approvals": [decision]}
        reply = await self.client.reply("submit-tool-approvals", body, node or self.servers.current)
        assert reply is not None
        return reply

    async def answer(self, key: str, call_id: str, text: str, *, node: Node) -> httpx.Response:
        """One attempt to give the result of a call of the client's tool."""
        body = {"conversation_key": key, "tool_results": [{"tool_call_id": call_id, "result": text}]}
        reply = await self.client.reply("submit-client-tool-results", body, node)
        assert reply is not None
        return reply

    async def story(self, run: str, *, until: str = "run_ended") -> list[Seen]:
        """The events of a run up to the first of that name."""
        body = {"run_id": run}
        node = self.servers.current
        return await self.client.replay(node, "stream-run", body, until=lambda seen: seen.name == until)

    async def results(self, key: str) -> list[str]:
        """What the model was told by tools, in order."""
        messages = (await self.client.call("conversation-state", {"conversation_key": key}))["messages"]
        return [each["content"] for each in messages if each["role"] == "tool"]


@asynccontextmanager
async def workshop(
    *,
    folder: Path,
    database: Database,
    nursery: Nursery,
    nodes: Sequence[str],
    tool_server: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Workshop]:
    """Processes of those names; clients talk to the first. `tool_server` are further keys of the configuration of the
    scripted server `bank`, as TOML writes their values. In the end the invariants hold, and the books agree."""
    mcp = ScriptedMcp(folder / "mcp")
    file = folder / "parley.toml"
    file.write_text(mcp.toml(_SERVER, **tool_server))
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(ScriptedUpstream())
        upstream.chooses = _asked
        servers = await stack.enter_async_context(
            cluster(
                folder=folder,
                database=database,
                upstream=upstream.base_url,
                shared=len(nodes) > 1,
                nursery=nursery,
                settings={"PARLEY_CONFIG": str(file), **(settings or {})},
            )
        )
        started = await asyncio.gather(*(servers.start(name) for name in nodes))
        servers.turn_to(started[0])
        client = Client(servers, database.key)
        stack.push_async_callback(client.close)
        yield Workshop(servers, client, mcp)
        await servers.end()
    await database.check()
    check_ledger((await database.tables()).tool_calls, mcp.calls())


def _asked(request: RecordedRequest) -> Script:
    last = request.body["messages"][-1]
    asked, *orders = str(last["content"]).split()
    if last["role"] != "user" or asked != "call":
        return answer("done")
    names = [name for name, _, times in (order.partition("*") for order in orders) for _ in range(int(times or 1))]
    calls = [_call(place, name) for place, name in enumerate(names)]
    return answer(Delta({"tool_calls": calls}), finish_reason="tool_calls")


def _call(place: int, name: str) -> dict[str, Any]:
    full = name if name == _CLIENTS else f"{_SERVER}__{name}"
    function = {"name": full, "arguments": json.dumps({"n": place})}
    return {"index": place, "id": f"c{place}", "type": "function", "function": function}
