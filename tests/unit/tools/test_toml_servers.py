"""The `[[mcp_servers]]` of a configuration: what they mean, and what every mistake is told by."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from server.adapters.provider.configuration import ConfigurationError
from server.adapters.tools.server_config import HttpEndpoint, StdioEndpoint, ToolRule, ToolServerConfig
from server.adapters.tools.toml_servers import read_tool_servers
from server.domain.tool import ToolPolicy

ENV = {"TOKEN": "secret", "EMPTY": "", "PARLEY_KEY_PEPPER": "pepper"}
TIME = 'name = "time"\ncommand = ["mcp-server-time"]\n'
WEB = 'name = "web"\nurl = "https://mcp.example.com/mcp/?a=b"\n'


def read(text: str) -> tuple[ToolServerConfig, ...]:
    return read_tool_servers(tomllib.loads(text), ENV)


def one(text: str) -> ToolServerConfig:
    return read(f"[[mcp_servers]]\n{text}")[0]


def test_a_file_without_servers_has_none() -> None:
    assert read('default_model = "x"') == read_tool_servers(None, ENV) == ()


def test_what_is_not_said_is_the_careful_choice() -> None:
    server = one(TIME)
    assert server == ToolServerConfig("time", StdioEndpoint(("mcp-server-time",)))
    assert server.rule == ToolRule(ToolPolicy.APPROVAL, is_repeatable=False)
    assert server.serves("anybody")
    assert server.transport == "stdio"


def test_a_command_keeps_its_words_and_gets_only_the_variables_named() -> None:
    server = one(TIME + 'env = { A = "1" }\nenv_from = ["TOKEN"]\ncwd = "/"\n')
    assert server.endpoint == StdioEndpoint(("mcp-server-time",), {"A": "1", "TOKEN": "secret"}, Path("/"))
    assert "secret" not in repr(server)


def test_a_url_keeps_its_slash_and_its_query_and_its_headers_do_not_print() -> None:
    server = one(WEB + 'headers = { X-Team = "support" }\nheader_env = { Authorization = "TOKEN" }\n')
    assert server.endpoint == HttpEndpoint(
        "https://mcp.example.com/mcp/?a=b", {"X-Team": "support", "Authorization": "secret"}
    )
    assert server.transport == "http"
    assert "secret" not in repr(server)


def test_limits_and_tenants_are_read() -> None:
    server = one(
        TIME + 'description = "d"\ntenants = ["acme"]\ncall_timeout = 1.5\nconnect_timeout = 2\n'
        "result_bytes = 10\nmax_parallel = 3\n"
    )
    assert (server.description, server.call_timeout, server.connect_timeout) == (
        "d",
        timedelta(seconds=1.5),
        timedelta(seconds=2),
    )
    assert (server.result_bytes, server.max_parallel) == (10, 3)
    assert server.serves("acme")
    assert not server.serves("other")


def test_a_tools_own_rule_goes_before_its_servers_which_it_inherits() -> None:
    server = one(
        TIME + 'policy = "DENY"\nrepeatable = true\n[mcp_servers.tools.now]\npolicy = "AUTO"\n'
        "[mcp_servers.tools.later]\nrepeatable = false\n"
    )
    assert server.rule_of("now") == ToolRule(ToolPolicy.AUTO, is_repeatable=True)
    assert server.rule_of("later") == ToolRule(ToolPolicy.DENY, is_repeatable=False)
    assert server.rule_of("else") == ToolRule(ToolPolicy.DENY, is_repeatable=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mcp_servers = 3", "mcp_servers: expected [[mcp_servers]] tables"),
        ('[[mcp_servers]]\ncommand = ["a"]', "mcp_servers[0].name: missing"),
        ('[[mcp_servers]]\nname = "A_b"\ncommand = ["a"]', "mcp_servers[0].name: expected at most 32"),
        (f"[[mcp_servers]]\n{TIME}[[mcp_servers]]\n{TIME}", "mcp_servers[1].name: 'time' is taken"),
        ('[[mcp_servers]]\nname = "a"', "mcp_servers[0]: give either command"),
        (f'[[mcp_servers]]\n{TIME}url = "http://x"', "mcp_servers[0]: give either command"),
        ('[[mcp_servers]]\nname = "a"\ncommand = "ls -l"', "mcp_servers[0].command: expected an array"),
        ('[[mcp_servers]]\nname = "a"\ncommand = [""]', "mcp_servers[0].command[0]: expected a text"),
        ('[[mcp_servers]]\nname = "a"\ncommand = ["a", 1]', "mcp_servers[0].command[1]: expected a text"),
        (f'[[mcp_servers]]\n{TIME}cwd = "/no/such"', "mcp_servers[0].cwd: there is no directory /no/such"),
        (f'[[mcp_servers]]\n{TIME}env = {{ "A=B" = "1" }}', "mcp_servers[0].env.A=B: not a variable"),
        (f'[[mcp_servers]]\n{TIME}env_from = ["NONE"]', "mcp_servers[0].env_from[0]: the environment variable NONE"),
        (f'[[mcp_servers]]\n{TIME}env_from = ["EMPTY"]', "mcp_servers[0].env_from[0]: the environment variable EMPTY"),
        (f'[[mcp_servers]]\n{TIME}env_from = ["PARLEY_KEY_PEPPER"]', "mcp_servers[0].env_from[0]: the service's own"),
        (f'[[mcp_servers]]\n{TIME}env = {{ TOKEN = "" }}', "mcp_servers[0].env.TOKEN: must not be empty"),
        (f'[[mcp_servers]]\n{TIME}env = {{ TOKEN = "a" }}\nenv_from = ["TOKEN"]', "env_from: TOKEN stands in env too"),
        ('[[mcp_servers]]\nname = "a"\nurl = "ftp://x"', "mcp_servers[0].url: expected a URL"),
        ('[[mcp_servers]]\nname = "a"\nurl = "http://u:p@x"', "mcp_servers[0].url: take the user and password out"),
        (f'[[mcp_servers]]\n{WEB}headers = {{ Host = "x" }}', "mcp_servers[0].headers.Host: not a header"),
        (f'[[mcp_servers]]\n{WEB}header_env = {{ A = "NONE" }}', "mcp_servers[0].header_env.A: the environment"),
        (f'[[mcp_servers]]\n{WEB}headers = {{ a = "x" }}\nheader_env = {{ A = "TOKEN" }}', "header_env: a stands in"),
        (f'[[mcp_servers]]\n{TIME}policy = "auto"', "mcp_servers[0].policy: expected one of AUTO, APPROVAL, DENY"),
        (f'[[mcp_servers]]\n{TIME}repeatable = "yes"', "mcp_servers[0].repeatable: expected true or false"),
        (f"[[mcp_servers]]\n{TIME}call_timeout = 0", "mcp_servers[0].call_timeout: expected a positive number"),
        (f"[[mcp_servers]]\n{TIME}result_bytes = 1.5", "mcp_servers[0].result_bytes: expected a positive whole"),
        (f"[[mcp_servers]]\n{TIME}max_parallel = true", "mcp_servers[0].max_parallel: expected a positive whole"),
        (f"[[mcp_servers]]\n{TIME}tenants = [3]", "mcp_servers[0].tenants[0]: expected a text"),
        (f"[[mcp_servers]]\n{TIME}tools = 3", "mcp_servers[0].tools: expected a table"),
        (f"[[mcp_servers]]\n{TIME}[mcp_servers.tools.a]\nx = 1", "mcp_servers[0].tools.a.x: no such key"),
        (f"[[mcp_servers]]\n{TIME}headers = {{ a = 'x' }}", "mcp_servers[0].headers: no such key"),
        (f"[[mcp_servers]]\n{WEB}cwd = '/'", "mcp_servers[0].cwd: no such key"),
        (f"[[mcp_servers]]\n{TIME}comand = 1", "mcp_servers[0].comand: no such key"),
    ],
)
def test_a_mistake_is_told_by_its_key(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(text)
    assert told in str(error.value)
    assert "secret" not in str(error.value)
