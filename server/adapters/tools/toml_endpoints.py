"""How a tool server of a configuration file is reached: a command to run, or a URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from server.adapters.provider.endpoint import checked_headers
from server.adapters.provider.provider_config import ConfigurationError
from server.adapters.provider.toml_table import TomlTable
from server.adapters.tools.server_config import HttpEndpoint, StdioEndpoint

_OWN_VARIABLES: Final = "PARLEY_"


def read_endpoint(table: TomlTable, env: Mapping[str, str]) -> StdioEndpoint | HttpEndpoint:
    """The endpoint of a server's table. Raises `ConfigurationError`."""
    command, url = table.items("command"), table.text("url")
    if (command is None) == (url is None):
        raise ConfigurationError(f"{table.path}: give either command (a program to run) or url (a server to reach)")
    return _http(table, url, env) if url is not None else _stdio(table, command or [], env)


def _stdio(table: TomlTable, command: list[object], env: Mapping[str, str]) -> StdioEndpoint:
    for index, word in enumerate(command):
        if not isinstance(word, str) or "\0" in word or (index == 0 and not word.strip()):
            raise ConfigurationError(f"{table.key('command')}[{index}]: expected a text in quotes")
    cwd = table.text("cwd")
    if cwd is not None and not Path(cwd).is_dir():
        raise ConfigurationError(f"{table.key('cwd')}: there is no directory {cwd}")
    return StdioEndpoint(
        argv=tuple(str(word) for word in command),
        env=_variables(table, env),
        cwd=None if cwd is None else Path(cwd),
    )


def _variables(table: TomlTable, env: Mapping[str, str]) -> dict[str, str]:
    given = table.texts("env")
    for variable, value in given.items():
        if not variable or "=" in variable or "\0" in variable + value:
            raise ConfigurationError(f"{table.key('env')}.{variable}: not a variable that can be set")
    passed: dict[str, str] = {}
    for index, item in enumerate(table.items("env_from") or []):
        key = f"{table.key('env_from')}[{index}]"
        if not isinstance(item, str) or not item.strip():
            raise ConfigurationError(f"{key}: expected the name of a variable in quotes")
        name = item
        if name.upper().startswith(_OWN_VARIABLES):
            raise ConfigurationError(f"{key}: the service's own variables are not passed on; give {name} another name")
        passed[name] = _looked_up(name, env, key)
    if twice := sorted(given.keys() & passed.keys()):
        raise ConfigurationError(f"{table.key('env_from')}: {twice[0]} stands in env too; name it once")
    return given | passed


def _http(table: TomlTable, url: str, env: Mapping[str, str]) -> HttpEndpoint:
    headers = table.texts("headers")
    secret = {
        header: _looked_up(name, env, f"{table.key('header_env')}.{header}")
        for header, name in table.texts("header_env").items()
    }
    if twice := sorted({name.lower() for name in headers} & {name.lower() for name in secret}):
        raise ConfigurationError(f"{table.key('header_env')}: {twice[0]} stands in headers too; name it once")
    return HttpEndpoint(
        url=_checked_url(url, table.key("url")),
        headers=checked_headers(headers, table.key("headers")) | checked_headers(secret, table.key("header_env")),
        allow_private_addresses=table.flag("allow_private_addresses") or False,
    )


def _checked_url(text: str, key: str) -> str:
    """The URL as it is: a slash at its end and a query are the server's business."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(f"{key}: expected a URL such as https://mcp.example.com/mcp")
    if url.userinfo:
        raise ConfigurationError(f"{key}: take the user and password out of the URL; give an Authorization header")
    if url.fragment:
        raise ConfigurationError(f"{key}: the URL must have no fragment")
    return str(url)


def _looked_up(name: str, env: Mapping[str, str], key: str) -> str:
    value = env.get(name)
    if not value:
        raise ConfigurationError(f"{key}: the environment variable {name} is not set; set it")
    return value
