"""A scripted MCP server for tests: say what its tools do, give its configuration to a service, read its ledger.

mcp = ScriptedMcp(tmp_path / "mcp")
mcp.tool("pay", execute(), wait("bank"), reply("paid"), schema={…})
config = mcp.config("bank", policy="AUTO")          # for McpServers; `mcp.toml("bank")` for a configuration file
…
mcp.open("bank")
assert [call.key for call in mcp.calls()] == [key]
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from server.adapters.tools.server_config import HttpEndpoint, StdioEndpoint, ToolRule, ToolServerConfig
from server.domain.tool import ToolPolicy
from server.ports.tools import CALL_KEY
from tests.support.mcp.actions import Action, execute, reply
from tests.support.mcp.http_server import ScriptedHttp
from tests.support.mcp.player import Player, save_script

ROOT: Final = Path(__file__).parents[3]
ANYTHING: Final[Mapping[str, Any]] = {"type": "object"}
_POLL: Final = 0.005


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was executed."""

    tool: str
    arguments: Mapping[str, Any] | None
    key: str | None
    """What came as `CALL_KEY` in its metadata."""
    pid: int


class ScriptedMcp:
    """The script and the books of one server, in a directory; its processes come and go."""

    def __init__(self, directory: Path) -> None:
        """A server without tools."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._script: dict[str, Any] = {"tools": [], "does": {}}
        self._save()

    def tool(
        self, name: str, *does: Action, schema: Mapping[str, Any] = ANYTHING, description: str = "", **more: Any
    ) -> None:
        """Add a tool, or replace it. Without steps it executes and answers `done`; `more` are members of its
        definition. The server says nothing of the change."""
        definition = {"name": name, "description": description, "inputSchema": schema, **more}
        others = [tool for tool in self._script["tools"] if not isinstance(tool, dict) or tool.get("name") != name]
        self.change(
            tools=[*others, definition], does={**self._script["does"], name: list(does) or [execute(), reply()]}
        )

    def change(self, **members: Any) -> None:
        """Set members of the script: `tools` (definitions as they go out, valid or not), `does` (steps by name),
        `page_size`, `loops` (the last page leads to the first), `page` (what stands in place of the list), `unknown`
        (methods that it does not know), `start` (`{"exit": 1}`, `{"gate": "name"}`), `greeting`
        (members of the answer to `initialize`), `json` (HTTP: no streams), `redirect` (HTTP: where to)."""
        self._script.update(members)
        self._save()

    def open(self, gate: str) -> None:
        """Let whoever waits at a gate go on, now and later."""
        (self.directory / f"gate-{gate}").touch()

    @property
    def command(self) -> list[str]:
        """What starts it, in the directory `ROOT`."""
        return [sys.executable, "-S", "-m", "tests.support.mcp.stdio_server", str(self.directory)]

    def config(
        self,
        name: str = "scripted",
        *,
        policy: ToolPolicy | str = ToolPolicy.APPROVAL,
        repeatable: bool = False,
        **more: Any,
    ) -> ToolServerConfig:
        """Its configuration over stdio; `more` are members of `ToolServerConfig`."""
        endpoint = more.pop("endpoint", None) or StdioEndpoint(tuple(self.command), cwd=ROOT)
        return ToolServerConfig(name=name, endpoint=endpoint, rule=ToolRule(ToolPolicy(policy), repeatable), **more)

    def http_config(self, served: ScriptedHttp, name: str = "scripted", **more: Any) -> ToolServerConfig:
        """Its configuration over HTTP, while it is served there."""
        endpoint = HttpEndpoint(served.url, allow_private_addresses=True)
        return self.config(name, endpoint=endpoint, **more)

    def toml(self, name: str = "scripted", **more: str) -> str:
        """Its table of a configuration file, over stdio; `more` are further keys, as TOML writes their values."""
        keys = {"name": json.dumps(name), "command": json.dumps(self.command), "cwd": json.dumps(str(ROOT)), **more}
        return "\n".join(["[[mcp_servers]]", *(f"{key} = {value}" for key, value in keys.items()), ""])

    def over_http(self) -> ScriptedHttp:
        """Serve it over HTTP, with `async with`."""
        return ScriptedHttp(Player(self.directory))

    def calls(self, tool: str | None = None) -> list[Call]:
        """What was executed, in order; of all tools or one."""
        entries = (
            Call(entry["tool"], entry["arguments"], entry["meta"].get(CALL_KEY), entry["pid"])
            for entry in self._read("ledger")
        )
        return [call for call in entries if tool in {None, call.tool}]

    def received(self, method: str) -> list[dict[str, Any]]:
        """The params of the requests and notifications of that method that reached it, in order."""
        return [entry["params"] for entry in self._read("log") if entry.get("method") == method]

    def answers(self) -> list[dict[str, Any]]:
        """The answers to what it asked of its client."""
        return [entry["message"] for entry in self._read("log") if "message" in entry and entry["method"] is None]

    def started(self) -> list[int]:
        """The ids of its processes, in order."""
        return [entry["started"] for entry in self._read("log") if "started" in entry]

    def spawned(self) -> list[int]:
        """The ids of the processes that its processes started."""
        return [entry["spawned"] for entry in self._read("log") if "spawned" in entry]

    def messages(self, method: str) -> list[dict[str, Any]]:
        """The requests and notifications of that method, whole."""
        return [entry["message"] for entry in self._read("log") if entry.get("method") == method]

    async def until_executed(self, count: int = 1, within: float = 20) -> None:
        """Wait until so many calls were executed. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            while len(self.calls()) < count:  # noqa: ASYNC110 - another process writes the ledger
                await asyncio.sleep(_POLL)

    async def until_answered(self, count: int, within: float = 20) -> None:
        """Wait until so many of its questions were answered. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            while len(self.answers()) < count:  # noqa: ASYNC110 - another process writes the log
                await asyncio.sleep(_POLL)

    async def until_received(self, method: str, count: int = 1, within: float = 20) -> None:
        """Wait until so many messages of a method reached it. Raises `TimeoutError`."""
        async with asyncio.timeout(within):
            while len(self.received(method)) < count:  # noqa: ASYNC110 - another process writes the log
                await asyncio.sleep(_POLL)

    def _read(self, kind: str) -> list[dict[str, Any]]:
        path = self.directory / f"{kind}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _save(self) -> None:
        save_script(self.directory, self._script)
