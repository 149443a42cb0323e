"""Server-sent events as a client reads them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx


async def events(reply: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Name and data of each event; heartbeats are none."""
    event: dict[str, str] = {}
    async for line in reply.aiter_lines():
        if line:
            field, _, value = line.partition(": ")
            event[field] = value
            continue
        if "data" in event:
            yield event["event"], json.loads(event["data"])
        event = {}
