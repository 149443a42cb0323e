"""What breaks between the store and PostgreSQL: every unit is stored once or not at all, and its caller knows which."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from server.domain.conversation import Conversation
from server.domain.errors import StoreUnavailable
from server.domain.events import AttemptReset, Event
from server.domain.ids import ConversationId
from server.ports.feed import Feed
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, conversation, key, message, stored
from tests.contract.store.postgres_server import PostgresServer
from tests.contract.store.recording_feed import RecordingFeed

PATIENCE = timedelta(seconds=10)


@pytest.fixture
def make(postgres_server: PostgresServer, postgres_url: str) -> Callable[..., Any]:
    """Makes stores on the test's database."""
    from server.adapters.store.postgres import PostgresStore

    dsn = postgres_url.replace("+asyncpg", "")

    def store(feed: Feed, **settings: Any) -> PostgresStore:
        return PostgresStore(dsn, feed=feed, **{"patience": PATIENCE, **settings})

    return store


@pytest.fixture
async def store(make: Callable[..., Any], feed: RecordingFeed) -> AsyncIterator[Store]:
    async with make(feed) as opened:
        yield opened


async def _send(store: Store, talk: Conversation, meanwhile: Callable[[Transaction], Any] | None = None) -> None:
    async def unit(tx: Transaction) -> None:
        await tx.conversations.lock(talk.key)
        await tx.messages.append(message(talk))
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))
        if meanwhile:
            await meanwhile(tx)

    await store.write(ALICE, unit)


async def _counts(store: Store, talk: Conversation) -> tuple[int, int]:
    async def unit(tx: Transaction) -> tuple[int, int]:
        return await tx.messages.count(talk.id), len(await tx.events.after(talk.id, 0, limit=999))

    return await store.read(ALICE, unit)


async def _backend(tx: Transaction) -> int:
    """The server process behind a transaction; there is no other way to it than through its connection."""
    connection = tx.messages._scope._executor._connection  # type: ignore[attr-defined]
    return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_a_unit_whose_connection_is_killed_is_run_again_and_stored_once(
    store: Store, talk: Conversation, feed: RecordingFeed, postgres_server: PostgresServer
) -> None:
    attempts = 0

    async def kill(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            pid = await _backend(tx)
            await asyncio.to_thread(postgres_server.execute, f"SELECT pg_terminate_backend({pid})")
            await tx.messages.count(talk.id)

    await _send(store, talk, kill)
    assert attempts == 2
    assert await _counts(store, talk) == (1, 1)
    assert len(feed.published) == 1


async def test_a_read_whose_connection_is_killed_is_run_again(
    store: Store, talk: Conversation, postgres_server: PostgresServer
) -> None:
    attempts = 0

    async def unit(tx: Transaction) -> Conversation | None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            pid = await _backend(tx)
            await asyncio.to_thread(postgres_server.execute, f"SELECT pg_terminate_backend({pid})")
        return await tx.conversations.by_id(talk.id)

    assert await store.read(ALICE, unit) == talk


async def test_the_store_outlives_a_crash_of_the_server(
    store: Store, talk: Conversation, feed: RecordingFeed, postgres_server: PostgresServer
) -> None:
    await asyncio.gather(*(_send(store, talk) for _ in range(20)))
    await asyncio.to_thread(postgres_server.stop, "immediate")
    try:
        with pytest.raises(StoreUnavailable):
            await _send(store, talk)
        with pytest.raises(StoreUnavailable):
            await _counts(store, talk)
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert await _counts(store, talk) == (20, 20)
    await asyncio.gather(*(_send(store, talk) for _ in range(20)))
    assert await _counts(store, talk) == (40, 40)
    assert [event.sequence for event in feed.published] == list(range(1, 41))


@pytest.mark.parametrize("reached", [True, False], ids=["commit arrived", "commit was lost"])
async def test_a_lost_reply_to_a_commit_is_looked_into(
    store: Store, talk: Conversation, feed: RecordingFeed, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """The connection breaks once, after or before the commit has reached the server."""
    from server.adapters.store.postgres import store as module
    from server.adapters.store.postgres.attempts import InDoubt, commit

    lost = 0

    async def losing(connection: Any) -> None:
        nonlocal lost
        if lost == 0:
            lost += 1
            if reached:
                await commit(connection)
            connection.terminate()
            raise InDoubt(ConnectionResetError())
        await commit(connection)

    monkeypatch.setattr(module, "commit", losing)
    await _send(store, talk)
    assert lost == 1
    assert await _counts(store, talk) == (1, 1)
    assert len(feed.published) == 1
    lost = 0
    made = key(digest="d")
    await store.write_system(lambda tx: tx.add_key(made))
    assert await store.read_system(lambda tx: tx.keys()) == [made]


class _ResyncFeed(RecordingFeed):
    def __init__(self) -> None:
        super().__init__()
        self.resynced: list[ConversationId] = []

    def resync(self, conversation_id: ConversationId) -> None:
        self.resynced.append(conversation_id)


async def test_a_commit_that_nobody_can_vouch_for_is_not_claimed_and_sends_readers_to_the_store(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    from server.adapters.store.postgres import store as module
    from server.adapters.store.postgres.attempts import InDoubt, commit

    feed, talk = _ResyncFeed(), conversation()

    async def losing(connection: Any) -> None:
        await commit(connection)
        await asyncio.to_thread(postgres_server.stop, "immediate")
        raise InDoubt(ConnectionResetError())

    async with make(feed, patience=timedelta(seconds=1)) as store:
        await stored(store, talk)
        monkeypatch.setattr(module, "commit", losing)
        try:
            with pytest.raises(StoreUnavailable, match="not known"):
                await _send(store, talk)
        finally:
            await asyncio.to_thread(postgres_server.start)
        monkeypatch.undo()
        assert feed.resynced == [talk.id]
        await _send(store, talk)
        assert await _counts(store, talk) == (2, 2)
        assert [event.sequence for event in feed.published] == [2]


async def test_units_that_lock_each_other_out_are_run_again(store: Store) -> None:
    talks = [conversation(), conversation()]
    await stored(store, *talks)
    meeting = asyncio.Barrier(2)
    met = 0

    async def crossing(tx: Transaction, first: Conversation, second: Conversation) -> None:
        nonlocal met
        await tx.conversations.lock(first.key)
        if met < 2:
            met += 1
            await meeting.wait()
        await tx.conversations.lock(second.key)
        await tx.messages.append(message(first))

    await asyncio.gather(
        store.write(ALICE, lambda tx: crossing(tx, talks[0], talks[1])),
        store.write(ALICE, lambda tx: crossing(tx, talks[1], talks[0])),
    )
    assert [await store.read(ALICE, lambda tx, t=talk: tx.messages.count(t.id)) for talk in talks] == [1, 1]  # type: ignore[misc]


async def test_units_without_the_lock_that_race_are_run_again(store: Store, talk: Conversation) -> None:
    await asyncio.gather(
        *(store.write(ALICE, lambda tx: tx.messages.append(message(talk))) for _ in range(30)),
        *(store.write(ALICE, lambda tx: tx.events.append(talk.id, [AttemptReset(1)], now=at(1))) for _ in range(30)),
    )
    assert await _counts(store, talk) == (30, 30)


async def test_a_lock_that_is_held_too_long_makes_the_store_unavailable(
    make: Callable[..., Any], feed: RecordingFeed
) -> None:
    talk, held, release = conversation(), asyncio.Event(), asyncio.Event()

    async def hold(_: Transaction) -> None:
        held.set()
        await release.wait()

    async with make(feed, patience=timedelta(milliseconds=200)) as store:
        await stored(store, talk)
        holder = asyncio.create_task(_send(store, talk, hold))
        await held.wait()
        with pytest.raises(StoreUnavailable):
            await _send(store, talk)
        assert await _counts(store, talk) == (0, 0)
        release.set()
        await holder
        assert await _counts(store, talk) == (1, 1)


async def test_without_a_free_connection_the_store_is_unavailable(
    make: Callable[..., Any], feed: RecordingFeed
) -> None:
    talk, held, release = conversation(), asyncio.Event(), asyncio.Event()

    async def hold(_: Transaction) -> None:
        held.set()
        await release.wait()

    async with make(feed, patience=timedelta(milliseconds=200), connections=1) as store:
        await stored(store, talk)
        holder = asyncio.create_task(_send(store, talk, hold))
        await held.wait()
        with pytest.raises(StoreUnavailable):
            await _counts(store, talk)
        release.set()
        await holder
        assert await _counts(store, talk) == (1, 1)


async def test_a_begun_unit_is_committed_though_its_caller_goes(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def pause(_: Transaction) -> None:
        begun.set()
        await release.wait()

    caller = asyncio.create_task(_send(store, talk, pause))
    await begun.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    release.set()
    await _send(store, talk)
    assert await _counts(store, talk) == (2, 2)
    assert [event.sequence for event in feed.published] == [1, 2]


async def test_a_server_that_is_not_there_is_unavailable(make: Callable[..., Any], feed: RecordingFeed) -> None:
    from server.adapters.store import open_store

    with pytest.raises(StoreUnavailable):
        async with open_store("postgresql+asyncpg://postgres@127.0.0.1:1/none", feed=feed):
            pass


async def test_events_are_published_in_order_whichever_reply_comes_first(feed: RecordingFeed) -> None:
    from server.adapters.store.postgres.publication import Publisher

    publisher = Publisher(feed)
    talk, other = ConversationId("a"), ConversationId("b")
    events = [Event(talk, "k", sequence, at(0), AttemptReset(sequence)) for sequence in (1, 2, 3, 4)]
    aside = Event(other, "k", 1, at(0), AttemptReset(1))
    first, second, void, fourth = (publisher.publication() for _ in range(4))
    first.add(events[:1])
    second.add([events[1], aside])
    void.add([events[2]])
    fourth.add([events[2], events[3]])

    last = asyncio.create_task(fourth.committed())
    middle = asyncio.create_task(second.committed())
    await asyncio.sleep(0)
    assert feed.published == [aside]
    assert not middle.done()
    await first.committed()
    await middle
    assert feed.published == [aside, events[0], events[1]]
    void.void()
    await last
    assert feed.published == [aside, *events]


class _DeafPeers:
    """Has peers, and hears nothing of them."""

    def events_stored(self, conversation_id: ConversationId) -> None: ...

    def run_ended(self, conversation_id: ConversationId) -> None: ...

    def work_left(self) -> None: ...

    def news_lost(self) -> None: ...


@pytest.mark.parametrize("pause", ["between statements", "within one"])
async def test_the_lock_of_a_process_that_stands_still_is_freed(
    make: Callable[..., Any], feed: RecordingFeed, postgres_url: str, monkeypatch: pytest.MonkeyPatch, pause: str
) -> None:
    """It stands with a transaction open: idle, or with a statement that was prepared and is not executed yet."""
    from server.adapters.store.postgres import news, pool

    monkeypatch.setattr(pool, "_STANDSTILL_MILLISECONDS", 500)
    monkeypatch.setattr(news, "_STANDSTILL", timedelta(seconds=0.5))
    monkeypatch.setattr(news, "_SWEEP_SECONDS", 0.2)
    talk = conversation()
    async with (
        make(feed, peers=_DeafPeers()) as store,
        pool.Pool(postgres_url.replace("+asyncpg", ""), size=1, patience=timedelta(seconds=1)) as paused,
    ):
        await stored(store, talk)
        connection = await paused.borrow()
        await connection.execute("BEGIN")
        await connection.execute("UPDATE conversations SET last_sequence = last_sequence")
        if pause == "within one":
            await connection.prepare("SELECT 1 + 1")
        await _send(store, talk)
        assert await _counts(store, talk) == (1, 1)
