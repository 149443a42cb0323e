"""What stores on one database tell each other after their commits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from server.adapters.store import open_store
from server.domain.conversation import Conversation
from server.domain.events import AttemptReset, RunEnded, TextDelta
from server.domain.ids import ConversationId, MessageId, WorkerId
from server.domain.run import RunState
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, message, running_run, stored
from tests.contract.store.postgres_server import PostgresServer
from tests.contract.store.recording_feed import RecordingFeed

_NEWS_LINES = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'parley news'"


class RecordingPeers:
    """Remembers what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.losses = 0
        self.lost = asyncio.Event()

    def events_stored(self, conversation_id: ConversationId) -> None:
        self.heard.put_nowait(f"events {conversation_id}")

    def run_ended(self, conversation_id: ConversationId) -> None:
        self.heard.put_nowait(f"ended {conversation_id}")

    def work_left(self) -> None:
        self.heard.put_nowait("work")

    def news_lost(self) -> None:
        self.losses += 1
        self.lost.set()

    async def next(self) -> str:
        async with asyncio.timeout(20):
            return await self.heard.get()

    async def listens(self) -> None:
        """Wait until the news that were missed are reported: when a line was opened, or while there is none."""
        async with asyncio.timeout(20):
            await self.lost.wait()
        self.lost.clear()


Ends = tuple[Store, RecordingPeers, Store, RecordingPeers]


@pytest.fixture
async def ends(postgres_url: str) -> AsyncIterator[Ends]:
    """Two stores that listen, and what each hears."""
    here, there = RecordingPeers(), RecordingPeers()
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(open_store(postgres_url, feed=RecordingFeed(), peers=peers))
            for peers in (here, there)
        ]
        await here.listens()
        await there.listens()
        yield stores[0], here, stores[1], there


async def grow(store: Store, talk: Conversation, *payloads: AttemptReset | RunEnded) -> None:
    await store.write(ALICE, lambda tx: tx.events.append(talk.id, payloads, now=at(1)))


async def test_the_others_hear_of_events_and_ends_and_the_teller_does_not(ends: Ends) -> None:
    here_store, here, there_store, there = ends
    talk = conversation()
    await stored(here_store, talk)
    await grow(here_store, talk, AttemptReset(1))
    assert await there.next() == f"events {talk.id}"
    await grow(here_store, talk, AttemptReset(2), RunEnded(RunState.COMPLETED))
    assert [await there.next(), await there.next()] == [f"events {talk.id}", f"ended {talk.id}"]
    await grow(there_store, talk, AttemptReset(3))
    assert await here.next() == f"events {talk.id}"
    assert here.heard.empty()


async def test_the_others_hear_of_a_run_that_was_given_back(ends: Ends) -> None:
    here_store, _, _, there = ends
    talk = conversation()
    await stored(here_store, talk)
    asked = message(talk)
    running = running_run(talk, user_message_id=asked.id)

    async def unit(tx: Transaction) -> None:
        await tx.messages.append(asked)
        await tx.runs.add(running)

    await here_store.write(ALICE, unit)
    assert await here_store.write_system(lambda tx: tx.release_lease(running.id, epoch=1, worker=WorkerId("w1")))
    assert await there.next() == "work"


async def test_many_conversations_are_told_in_several_notices(ends: Ends) -> None:
    here_store, _, _, there = ends
    talks = [conversation(f"talk {number}") for number in range(250)]
    await stored(here_store, *talks)
    await asyncio.gather(*(grow(here_store, talk, AttemptReset(1)) for talk in talks))
    assert {await there.next() for _ in talks} == {f"events {talk.id}" for talk in talks}


async def test_nothing_is_told_but_ids(ends: Ends, postgres_url: str) -> None:
    """Whoever may connect to the database hears the news of all tenants; policies do not bind them."""
    import asyncpg  # type: ignore[import-untyped]  # it has no stubs

    here_store, _, _, there = ends
    told: list[str] = []
    listener = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        await listener.add_listener("parley", lambda *notice: told.append(notice[-1]))
        talk = conversation("a key that nobody else is told", name="a name")
        await stored(here_store, talk)
        said = TextDelta(MessageId("m"), "a secret")
        await here_store.write(
            ALICE, lambda tx: tx.events.append(talk.id, [said, RunEnded(RunState.COMPLETED)], now=at(1))
        )
        assert [await there.next(), await there.next()] == [f"events {talk.id}", f"ended {talk.id}"]
        await listener.fetchval("SELECT 1")  # notices come before the answer to what is asked after them
    finally:
        await listener.close()
    assert [json.loads(notice) for notice in told] == [{"events": [talk.id], "ended": [talk.id], "work": False}]


async def test_a_line_that_breaks_is_noticed_and_opened_again(ends: Ends, postgres_server: PostgresServer) -> None:
    here_store, _, _, there = ends
    talk = conversation()
    await stored(here_store, talk)
    await asyncio.to_thread(postgres_server.execute, _NEWS_LINES)
    await there.listens()
    number = 0

    async def hears() -> None:
        nonlocal number
        while there.heard.empty():
            number += 1
            await grow(here_store, talk, AttemptReset(number))

    async with asyncio.timeout(timedelta(seconds=20).total_seconds()):
        await hears()
    assert await there.next() == f"events {talk.id}"


async def test_what_is_committed_last_is_told_though_the_store_closes(postgres_url: str) -> None:
    peers, closing = RecordingPeers(), RecordingPeers()
    talk = conversation()
    async with open_store(postgres_url, feed=RecordingFeed(), peers=peers):
        await peers.listens()
        async with open_store(postgres_url, feed=RecordingFeed(), peers=closing) as store:
            await closing.listens()
            await stored(store, talk)
            await grow(store, talk, AttemptReset(1))
        assert await peers.next() == f"events {talk.id}"
