"""Makes tools of what a server lists. Names, descriptions and schemas are a stranger's: what cannot be used is left
out, and nothing in them changes what the operator permits."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from server.adapters.tools.server_config import ToolServerConfig
from server.domain.tool import ServerTool, ToolSpec
from server.domain.tool_name import exposed_name
from server.ports.tools import InvalidSchema, ToolSchemas

_MOST_NAME_CHARACTERS: Final = 256
_MOST_DESCRIPTION_BYTES: Final = 4 << 10
_CUT: Final = " …"


def server_tools(
    config: ToolServerConfig, definitions: Iterable[object], schemas: ToolSchemas
) -> tuple[tuple[ServerTool, ...], int]:
    """The tools that can be used, in the server's order, and how many cannot. Of two with one name the first counts.
    Takes up to a second for hundreds of large schemas: not for the loop."""
    tools: dict[str, ServerTool] = {}
    left_out = 0
    for definition in definitions:
        tool = _tool(config, definition, schemas)
        if tool is None or tool.spec.name in tools:
            left_out += 1
        else:
            tools[tool.spec.name] = tool
    return tuple(tools.values()), left_out


def _tool(config: ToolServerConfig, definition: object, schemas: ToolSchemas) -> ServerTool | None:
    if not isinstance(definition, Mapping):
        return None
    name, schema = definition.get("name"), definition.get("inputSchema")
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME_CHARACTERS or not _is_text(name):
        return None
    if not isinstance(schema, Mapping):
        return None
    try:
        spec = ToolSpec(exposed_name(config.name, name), _description(definition), schemas.canonical(schema))
    except InvalidSchema:
        return None
    rule = config.rule_of(name)
    return ServerTool(config.name, name, spec, rule.policy, rule.is_repeatable)


def _description(definition: Mapping[str, Any]) -> str:
    text = definition.get("description") or definition.get("title") or ""
    return cut(text, _MOST_DESCRIPTION_BYTES, _CUT) if isinstance(text, str) and _is_text(text) else ""


def _is_text(text: str) -> bool:
    """Whether it can be written and stored: no half of a surrogate pair, no NUL."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text


def cut(text: str, most_bytes: int, mark: str) -> str:
    """The text, or as much of its beginning as fits into so many UTF-8 bytes together with the mark."""
    if len(text) * 4 <= most_bytes:
        return text
    raw = text.encode()
    return text if len(raw) <= most_bytes else raw[: most_bytes - len(mark.encode())].decode(errors="ignore") + mark
