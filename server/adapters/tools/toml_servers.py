"""The `[[mcp_servers]]` of a configuration file.

[[mcp_servers]]
name = "time"                            # a-z, 0-9 and hyphens, at most 32
description = "What time it is"          # optional
command = ["mcp-server-time", "--local-timezone", "UTC"]   # exact arguments, no shell; or url = "https://…"
env = { LOG_LEVEL = "warning" }          # beside PATH, HOME, LANG, TZ and TMPDIR; nothing else is inherited
env_from = ["TIME_TOKEN"]                # variables of the service that are passed on
cwd = "/srv/time"
tenants = ["acme"]                       # optional; every tenant otherwise
policy = "APPROVAL"                      # the default; or "AUTO" or "DENY"
repeatable = false                       # the default; whether a call may be made again when its outcome is unknown
call_timeout = 60                        # seconds, as the next
connect_timeout = 20
result_bytes = 1048576
max_parallel = 8

[mcp_servers.tools.get_current_time]     # rules of single tools
policy = "AUTO"
repeatable = true

[[mcp_servers]]
name = "search"
url = "https://mcp.example.com/mcp"
headers = { X-Team = "support" }
header_env = { Authorization = "SEARCH_AUTHORIZATION" }    # header: variable that holds its value
allow_private_addresses = false          # the default; true for servers on this machine or in a private network
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from server.adapters.provider.provider_config import ConfigurationError
from server.adapters.provider.toml_table import TomlTable
from server.adapters.tools.server_config import ToolRule, ToolServerConfig
from server.adapters.tools.toml_endpoints import read_endpoint
from server.domain.tool import ToolPolicy
from server.domain.tool_name import SERVER_NAME


def read_tool_servers(toml: Mapping[str, Any] | None, env: Mapping[str, str]) -> tuple[ToolServerConfig, ...]:
    """The tool servers of a parsed file, none if it has none. Raises `ConfigurationError` naming the file's key."""
    tables = (toml or {}).get("mcp_servers", [])
    if not isinstance(tables, list):
        raise ConfigurationError("mcp_servers: expected [[mcp_servers]] tables")
    servers = tuple(_server(TomlTable(table, f"mcp_servers[{index}]"), env) for index, table in enumerate(tables))
    names = [server.name for server in servers]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigurationError(f"mcp_servers[{index}].name: {name!r} is taken; names must differ")
    return servers


def _server(table: TomlTable, env: Mapping[str, str]) -> ToolServerConfig:
    usual = ToolServerConfig(name=_name(table), endpoint=read_endpoint(table, env))
    rule = _rule(table, ToolRule())
    server = ToolServerConfig(
        name=usual.name,
        endpoint=usual.endpoint,
        description=table.text("description") or "",
        tenants=_tenants(table),
        rule=rule,
        tools=_tools(table, rule),
        call_timeout=_duration(table, "call_timeout", usual.call_timeout),
        connect_timeout=_duration(table, "connect_timeout", usual.connect_timeout),
        result_bytes=_number(table, "result_bytes", usual.result_bytes),
        max_parallel=_number(table, "max_parallel", usual.max_parallel),
    )
    table.reject_others()
    return server


def _name(table: TomlTable) -> str:
    name = table.text("name")
    if name is None:
        raise ConfigurationError(f"{table.key('name')}: missing; choose a name for the tool server")
    if not SERVER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{table.key('name')}: expected at most 32 of a-z, 0-9 and hyphens, not beginning or ending with a hyphen"
        )
    return name


def _tenants(table: TomlTable) -> frozenset[str] | None:
    items = table.items("tenants")
    return None if items is None else frozenset(_texts(items, table.key("tenants")))


def _texts(items: list[object], key: str) -> list[str]:
    for index, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise ConfigurationError(f"{key}[{index}]: expected a text in quotes")
    return [str(item) for item in items]


def _tools(table: TomlTable, usual: ToolRule) -> dict[str, ToolRule]:
    rules = {}
    for name, one in table.tables("tools").items():
        rules[name] = _rule(one, usual)
        one.reject_others()
    return rules


def _rule(table: TomlTable, usual: ToolRule) -> ToolRule:
    repeatable = table.flag("repeatable")
    return ToolRule(_policy(table, usual.policy), usual.is_repeatable if repeatable is None else repeatable)


def _policy(table: TomlTable, usual: ToolPolicy) -> ToolPolicy:
    text = table.text("policy")
    if text is None:
        return usual
    try:
        return ToolPolicy(text)
    except ValueError:
        raise ConfigurationError(f"{table.key('policy')}: expected one of {', '.join(ToolPolicy)}") from None


def _duration(table: TomlTable, name: str, usual: timedelta) -> timedelta:
    seconds = table.seconds(name)
    return usual if seconds is None else timedelta(seconds=seconds)


def _number(table: TomlTable, name: str, usual: int) -> int:
    number = table.whole(name)
    return usual if number is None else number
