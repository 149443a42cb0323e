"""The tool servers of the cases: one with tools of every policy, and one that cannot be started."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from server.adapters.tools.server_config import StdioEndpoint, ToolRule, ToolServerConfig
from server.domain.tool import ToolPolicy
from tests.support.mcp.actions import execute, hang, reply
from tests.support.mcp.scripted import ScriptedMcp

SUM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"of": {"type": "array", "items": {"type": "integer"}}},
    "required": ["of"],
    "additionalProperties": False,
}
"""The schema of the tool `sum`."""


def tool_servers(folder: Path) -> list[ToolServerConfig]:
    """`desk` with its tools, `hasty` with the same and little time, and `broken`; their books lie in `folder`."""
    mcp = ScriptedMcp(folder / "desk")
    mcp.change(greeting={"serverInfo": {"name": "desk", "title": "The desk", "version": "7"}, "instructions": "Ask."})
    mcp.tool("sum", execute(), reply("six"), schema=SUM, description="Adds whole numbers.")
    mcp.tool("fails", execute(), reply("no paper", isError=True))
    mcp.tool("shred", execute(), reply("gone"))
    mcp.tool("lost", execute(), hang())
    rules = {
        "sum": ToolRule(ToolPolicy.AUTO, is_repeatable=True),
        "shred": ToolRule(ToolPolicy.DENY),
    }
    return [
        mcp.config("desk", description="A desk", tools=rules),
        mcp.config("hasty", call_timeout=timedelta(milliseconds=300)),
        ToolServerConfig("broken", StdioEndpoint(("/no/such/program",)), "Never there"),
    ]
