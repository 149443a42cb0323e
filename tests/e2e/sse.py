"""Reads server-sent events as an EventSource does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class ServerSentEvent:
    """One event: its name, its id, its data parsed."""

    name: str
    id: str
    data: Any


def read(reply: httpx.Response) -> Iterator[ServerSentEvent]:
    """The events of a streaming reply as they come; comments are left out."""
    fields: dict[str, str] = {}
    for line in reply.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            if "data" in fields:
                yield ServerSentEvent(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            fields = {}
