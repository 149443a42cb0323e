"""A store whose outbox is published to Kafka, and the conversations in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from server.adapters.feed.kafka.connection import KafkaConnection
from server.adapters.feed.kafka.sink import KafkaSink
from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemClock
from server.domain.conversation import Conversation
from server.domain.events import Event, TextDelta
from server.domain.ids import ConversationId, MessageId, WorkerId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.engine.publisher import Publisher
from server.engine.wakes import Wakes
from server.ports.event_sink import EventSink
from server.ports.store import Store
from server.rpc.codecs.event_record import BinaryEvents
from tests.contract.store.builders import ALICE, at, conversation, new_id, stored

CODEC = BinaryEvents()
LIMITS = Limits(lease=timedelta(seconds=2), lease_heartbeat=timedelta(seconds=0.2))


class CountingFigures:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.arrived = self.failures = self.events = 0
        self.seconds = 0.0

    def published(self, events: int) -> None:
        self.arrived += events

    def failed(self) -> None:
        self.failures += 1

    def waiting(self, events: int, seconds: float) -> None:
        self.events, self.seconds = events, seconds


@dataclass
class Node:
    """One process's part: its store, its sink, what it counted."""

    store: Store
    publisher: Publisher
    figures: CountingFigures = field(default_factory=CountingFigures)


def sink_to(servers: tuple[str, ...], topic: str, *, patience: float = 10) -> KafkaSink:
    """A sink as the service makes it."""
    return KafkaSink(KafkaConnection(servers), topic=topic, codec=CODEC, event_bytes=900_000, patience=patience)


@asynccontextmanager
async def node(url: str, sink: EventSink) -> AsyncIterator[Node]:
    """A process's store and publisher, woken as in the service."""
    outbox, figures = asyncio.Event(), CountingFigures()
    feed = LocalFeed(stored=outbox.set)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(url, feed=feed, peers=Wakes(feed, outbox=outbox)))
        publisher = await stack.enter_async_context(
            Publisher(
                store=store,
                sink=sink,
                clock=SystemClock(),
                limits=LIMITS,
                worker=WorkerId(new_id()),
                wake=outbox,
                figures=figures,
            )
        )
        yield Node(store, publisher, figures)


@asynccontextmanager
async def node_to(url: str, servers: tuple[str, ...], topic: str, *, patience: float = 10) -> AsyncIterator[Node]:
    """The same with a sink of its own."""
    sink = sink_to(servers, topic, patience=patience)
    try:
        async with node(url, sink) as made:
            yield made
    finally:
        await sink.close()


async def talks(store: Store, count: int, owner: Owner = ALICE) -> list[Conversation]:
    """Stored conversations."""
    made = [conversation(owner=owner) for _ in range(count)]
    await stored(store, *made)
    return made


async def say(store: Store, talk: Conversation, *texts: str) -> list[Event]:
    """Append pieces to a log, in one unit."""
    pieces = [TextDelta(MessageId("m"), text) for text in texts]
    return await store.write(talk.owner, lambda tx: tx.events.append(talk.id, pieces, now=at(1)))


async def logs(store: Store, *conversations: Conversation) -> dict[ConversationId, list[Event]]:
    """What the event table says."""
    return {
        talk.id: await store.read(talk.owner, lambda tx, talk=talk: tx.events.after(talk.id, 0, limit=100_000))  # type: ignore[misc]
        for talk in conversations
    }


async def drained(store: Store, seconds: float = 60) -> None:
    """Wait until nothing waits."""
    async with asyncio.timeout(seconds):
        while (await store.read_system(lambda tx: tx.backlog())).events:  # noqa: ASYNC110 - a database does it
            await asyncio.sleep(0.02)
