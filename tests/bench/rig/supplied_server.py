"""`parley serve` with its data at hand: `python -m tests.bench.rig.supplied_server serve …`.

Servicers, codecs, interceptors, gateway and gRPC server are those of `serve`, composed by it. Only the use cases that
the bench calls ask nobody: threads and their messages are read from the store once, and the events of a watched thread
come neither from a model nor from the store, but as fast as their reader takes them. A thread whose key begins with
`calm` gives each event a turn of its own, as a model's tokens come.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from server.__main__ import main
from server.application.streams import Streams
from server.application.threads import Threads
from server.domain.events import Event, TextDelta
from server.domain.ids import ConversationId, MessageId, RunId
from server.domain.principal import Owner

EVENTS = 1000
"""Events of one stream."""
CALM = "calm"


def _kept(ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A use case that gives its first answer for a thread again and again."""
    answers: dict[str, Any] = {}

    async def answer(threads: Threads, owner: Owner, key: str, **page: Any) -> Any:
        if key not in answers:
            answers[key] = await ask(threads, owner, key, **page)
        return answers[key]

    return answer


@cache
def _events() -> list[Event]:
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
    for event in _events():
        yield event
        if is_calm:
            # One round of the loop, in which the gateway hands the event to the socket.
            await asyncio.sleep(0)


def _replace(owner: type, name: str, method: object) -> None:
    """What differs from `parley serve`; a method that is not there any more must not go unnoticed."""
    getattr(owner, name)
    setattr(owner, name, method)


if __name__ == "__main__":
    _replace(Threads, "get", _kept(Threads.get))
    _replace(Threads, "messages", _kept(Threads.messages))
    _replace(Streams, "watch", _watch)
    main()
