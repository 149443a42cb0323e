"""Reads streams as the document describes them: as the list of their items."""

import json
from typing import Any

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"


def items_of(media: str, text: str) -> list[Any]:
    """Give the items of a stream, or of the beginning of one that was left; an unfinished last item does not count."""
    if media == NDJSON:
        return [json.loads(line) for line in text.split("\n")[:-1]]
    return [event for block in text.split("\n\n")[:-1] if (event := _event(block))]


def _event(block: str) -> dict[str, str]:
    """Give the members of an event as the HTML standard reads them; none for a block of comments."""
    members: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        if name:
            value = value.removeprefix(" ")
            members[name] = f"{members[name]}\n{value}" if name in members and name == "data" else value
    return members
