"""What a model says with a tool call, as texts that rules can be held against."""

from collections.abc import Iterator
from typing import Any

import orjson

from server.ports.provider import RequestedCall


def spoken_texts(call: RequestedCall) -> tuple[str, ...]:
    """Name and arguments as they are written, and what the arguments say to whoever reads their JSON: its texts
    without escapes, each on a line of its own. Arguments that are no JSON say nothing more."""
    try:
        said = "\n".join(_texts(orjson.loads(call.arguments)))
    except orjson.JSONDecodeError:
        said = ""
    return tuple(text for text in (call.name, call.arguments, said) if text)


def _texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value, names of members too, in order."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case list() as items:
                waiting.extend(reversed(items))
            case dict() as members:
                waiting.extend(part for member in reversed(members.items()) for part in reversed(member))
