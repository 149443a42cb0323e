"""Units of work: whole or not at all, alone or among many, and never doubled."""

import asyncio

import pytest

from server.adapters.store.errors import RowRefused, UnitSuspended
from server.domain.conversation import Conversation
from server.domain.errors import ConversationKeyTaken, QueueFull
from server.domain.events import AttemptReset
from server.domain.ids import ConversationId
from server.ports.store import Store, SystemTransaction, Transaction
from tests.contract.store.builders import ALICE, BOB, at, conversation, key, message, new_id, stored
from tests.contract.store.recording_feed import RecordingFeed


class Undone(Exception):
    """What a unit of these tests raises."""


async def _texts(store: Store, talk: Conversation) -> list[str]:
    return [item.content for item in await store.read(ALICE, lambda tx: tx.messages.history(talk.id))]


async def test_a_unit_that_raises_leaves_nothing_and_its_exception_is_the_callers(
    store: Store, talk: Conversation
) -> None:
    failure = QueueFull(limit=1)

    async def unit(tx: Transaction) -> None:
        await tx.messages.append(message(talk))
        await tx.conversations.add(conversation("new"))
        raise failure

    with pytest.raises(QueueFull) as raised:
        await store.write(ALICE, unit)
    assert raised.value is failure
    assert await _texts(store, talk) == []
    assert await store.read(ALICE, lambda tx: tx.conversations.get("new")) is None


async def test_of_a_hundred_units_at_once_those_that_fail_are_undone_alone(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    async def unit(tx: Transaction, number: int) -> int | None:
        await tx.conversations.lock(talk.key)
        appended = await tx.messages.append(message(talk, str(number)))
        await tx.events.append(talk.id, [AttemptReset(number)], now=at(1))
        if number % 3 == 1:
            raise Undone(number)
        if number % 3 == 2:
            await tx.conversations.add(conversation(talk.key))
        return appended.position

    results = await asyncio.gather(
        *(store.write(ALICE, lambda tx, n=number: unit(tx, n)) for number in range(100)),  # type: ignore[misc]
        return_exceptions=True,
    )
    for number, result in enumerate(results):
        if number % 3 == 1:
            assert isinstance(result, Undone)
            assert result.args == (number,)
        elif number % 3 == 2:
            assert isinstance(result, ConversationKeyTaken)
    positions = {result: str(number) for number, result in enumerate(results) if isinstance(result, int)}
    assert sorted(positions) == list(range(1, 35))
    assert await _texts(store, talk) == [positions[position] for position in sorted(positions)]
    logged = await store.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=999))
    assert [event.sequence for event in logged] == list(range(1, 35))
    assert feed.published == logged


async def test_units_that_read_and_then_write_under_the_lock_lose_no_update(store: Store, talk: Conversation) -> None:
    async def count_up(tx: Transaction) -> None:
        locked = await tx.conversations.lock_by_id(talk.id)
        assert locked is not None
        known = await tx.messages.history(talk.id)
        await tx.messages.append(message(talk, str(len(known))))

    await asyncio.gather(*(store.write(ALICE, count_up) for _ in range(40)))
    assert await _texts(store, talk) == [str(number) for number in range(40)]


async def test_units_that_make_a_conversation_unless_it_exists_make_it_once(store: Store) -> None:
    """The lock is on the key even while there is no row."""

    async def find_or_add(tx: Transaction) -> ConversationId:
        found = await tx.conversations.lock("k")
        if found is None:
            found = conversation("k")
            await tx.conversations.add(found)
        return found.id

    ids = await asyncio.gather(*(store.write(ALICE, find_or_add) for _ in range(20)))
    assert len(set(ids)) == 1


async def test_events_are_published_before_their_callers_go_on(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    async def send(number: int) -> bool:
        events = await store.write(ALICE, lambda tx: tx.events.append(talk.id, [AttemptReset(number)], now=at(1)))
        return events[0] in feed.published

    assert all(await asyncio.gather(*(send(number) for number in range(30))))


async def test_a_read_sees_one_moment(store: Store, talk: Conversation) -> None:
    """Whatever is written while it goes on: both of its looks show the same."""
    done = False
    looks: list[tuple[int, int]] = []

    async def look_twice(tx: Transaction) -> tuple[int, int]:
        first = await tx.messages.count(talk.id)
        for _ in range(20):
            await tx.conversations.get(talk.key)
        return first, len(await tx.messages.history(talk.id))

    async def keep_looking() -> None:
        while not done:
            looks.append(await store.read(ALICE, look_twice))

    looking = asyncio.create_task(keep_looking())
    # Until it has seen two states: on a busy machine one look may outlast many writes.
    while len(set(looks)) <= 1:
        await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
    done = True
    await looking
    assert all(first == second for first, second in looks)


async def test_a_read_sees_what_was_acknowledged_before_it(store: Store, talk: Conversation) -> None:
    for count in range(1, 20):
        await store.write(ALICE, lambda tx: tx.messages.append(message(talk)))
        assert await store.read(ALICE, lambda tx: tx.messages.count(talk.id)) == count


async def test_a_unit_sees_what_it_has_written(store: Store) -> None:
    new = conversation()

    async def unit(tx: Transaction) -> bool:
        await tx.conversations.add(new)
        await tx.messages.append(message(new))
        return await tx.messages.count(new.id) == 1 and await tx.conversations.by_id(new.id) is not None

    assert await store.write(ALICE, unit)


async def test_a_cancelled_caller_leaves_a_whole_unit_or_none_and_the_store_working(
    store: Store, talk: Conversation, feed: RecordingFeed
) -> None:
    async def unit(tx: Transaction) -> None:
        await tx.messages.append(message(talk))
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))

    callers = [asyncio.create_task(store.write(ALICE, unit)) for _ in range(40)]
    await asyncio.sleep(0)
    for caller in callers[::2]:
        caller.cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(result is None for result in results[1::2])

    await store.write(ALICE, unit)
    stored_messages = await store.read(ALICE, lambda tx: tx.messages.count(talk.id))
    logged = await store.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=99))
    assert 21 <= stored_messages <= 41
    assert len(logged) == stored_messages
    assert feed.published == logged


async def test_a_unit_that_reads_may_be_cancelled(store: Store, talk: Conversation) -> None:
    for _ in range(20):
        reader = asyncio.create_task(store.read(ALICE, lambda tx: tx.conversations.get(talk.key)))
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    assert await store.read(ALICE, lambda tx: tx.conversations.get(talk.key)) == talk


async def test_a_unit_that_passes_over_a_refused_row_is_undone_all_the_same(store: Store, talk: Conversation) -> None:
    async def unit(tx: Transaction) -> None:
        first = await tx.messages.append(message(talk))
        try:
            await tx.messages.append(message(talk, id=first.id))
        except RowRefused:
            return

    with pytest.raises(RowRefused):
        await store.write(ALICE, unit)
    assert await _texts(store, talk) == []


async def test_system_units_are_whole_too(store: Store) -> None:
    made = key(digest="d")

    async def unit(tx: SystemTransaction) -> None:
        await tx.add_key(made)
        await tx.add_key(key(BOB, digest="d"))

    with pytest.raises(RowRefused):
        await store.write_system(unit)
    assert await store.read_system(lambda tx: tx.keys()) == []


async def test_owners_write_beside_each_other(store: Store) -> None:
    talks = [conversation(owner=owner) for owner in (ALICE, BOB) for _ in range(25)]
    await asyncio.gather(*(stored(store, talk) for talk in talks))
    for owner in (ALICE, BOB):
        found = await store.read(owner, lambda tx: tx.conversations.page(include_archived=True, limit=None, after=None))
        assert {summary.conversation.id for summary in found} == {talk.id for talk in talks if talk.owner == owner}


async def test_a_unit_may_be_any_awaitable_of_its_transaction(store: Store) -> None:
    new = conversation(new_id())
    await store.write(ALICE, lambda tx: tx.conversations.add(new))
    assert await store.read(ALICE, lambda tx: tx.conversations.by_id(new.id)) == new


async def test_a_unit_that_waits_for_anything_else_is_told_so(sqlite_url: str, feed: RecordingFeed) -> None:
    """Only where the unit is run without an event loop; elsewhere it would pass unnoticed."""
    from server.adapters.store import open_store

    async def unit(tx: Transaction) -> None:
        await tx.conversations.add(conversation("new"))
        await asyncio.sleep(0)

    async with open_store(sqlite_url, feed=feed) as store:
        with pytest.raises(UnitSuspended):
            await store.write(ALICE, unit)
        with pytest.raises(UnitSuspended):
            await store.read(ALICE, lambda _: asyncio.sleep(0))
        assert await store.read(ALICE, lambda tx: tx.conversations.get("new")) is None


async def test_a_reading_unit_cannot_write(store: Store) -> None:
    from server.adapters.store.errors import ReadUnitWrote

    with pytest.raises(ReadUnitWrote):
        await store.read(ALICE, lambda tx: tx.conversations.add(conversation("new")))
    assert await store.read(ALICE, lambda tx: tx.conversations.get("new")) is None
