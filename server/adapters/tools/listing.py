"""Walks the pages of a server's tool list, within bounds: a server decides how many there are."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

_log = structlog.get_logger(__name__)

_MOST_TOOLS: Final = 512
_MOST_PAGES: Final = 64
_MOST_CURSOR: Final = 4 << 10

Ask = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Sends a `tools/list` with these parameters."""


class NoToolList(Exception):
    """The answer is no list of tools."""


async def listed(ask: Ask, *, server: str) -> list[object]:
    """The definitions of all pages, at most 512 of them. A list that does not end within 64 pages, or comes back to a
    page it was at, is cut there, which the log says. Raises `NoToolList`, and what `ask` raises."""
    found: list[object] = []
    seen: set[str] = set()
    params: dict[str, Any] = {}
    for _ in range(_MOST_PAGES):
        page = await ask(params)
        tools, cursor = page.get("tools"), page.get("nextCursor")
        if not isinstance(tools, list):
            raise NoToolList
        found += tools
        if cursor is None and len(found) <= _MOST_TOOLS:
            return found
        if not isinstance(cursor, str) or cursor in seen or len(cursor) > _MOST_CURSOR or len(found) >= _MOST_TOOLS:
            break
        seen.add(cursor)
        params = {"cursor": cursor}
    _log.warning("tool_list_cut", server=server, tools=min(len(found), _MOST_TOOLS))
    return found[:_MOST_TOOLS]
