"""`parley serve` with threads whose events are at hand: `python -m tests.bench.rig.event_server serve …`.

Servicers, codecs, interceptors, gateway and gRPC server are those of `serve`, composed by it. Only what a watched
thread brings is another: neither a model nor the store decides how fast its events come, but their reader. A thread
whose key begins with `calm` gives each event a turn of its own, as a model's tokens come; others give them as fast as
the reader takes them.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from functools import cache

from server.__main__ import main
from server.application.streams import Streams
from server.domain.events import Event, TextDelta
from server.domain.ids import ConversationId, MessageId, RunId
from server.domain.principal import Owner

EVENTS = 1000
"""Events of one stream."""
CALM = "calm"
# Rounds of the loop in which the gateway surely hands an event to the socket.
_ROUNDS = 4


@cache
def _supply() -> list[Event]:
    now = datetime.now(UTC)
    conversation = ConversationId("0198c2f4-7d1e-7a43-9c55-2d8f6b1c9e10")
    message = MessageId("0198c2f4-8aa0-7b11-8d3c-9f1e2a7b6c5d")
    run = RunId("run_0198c2f47d1e7a439c552d8f6b1c9e10")
    return [
        Event(conversation, "bench", number, now, TextDelta(message, f" token {number}"), run, 1)
        for number in range(1, EVENTS + 1)
    ]


async def _watch(streams: Streams, owner: Owner, key: str, *, after: int) -> AsyncGenerator[Event | None, None]:
    """Stands for `Streams.watch`; whose thread it is and where the reader stood changes nothing."""
    del streams, owner, after
    is_calm = key.startswith(CALM)
    for event in _supply():
        yield event
        if is_calm:
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)


if __name__ == "__main__":
    setattr(Streams, "watch", _watch)  # noqa: B010 - the one thing that differs from `parley serve`
    main()
