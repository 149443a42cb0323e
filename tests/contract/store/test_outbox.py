"""The outbox: what was appended is there to be published until it is marked, by one publisher at a time."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from server.domain.conversation import Conversation
from server.domain.events import AttemptReset
from server.domain.ids import WorkerId
from server.domain.outbox import BEGINNING, Backlog, Place, Removal, Span
from server.ports.store import Store, SystemTransaction, Transaction
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, at, conversation, stored

FIRST, SECOND = WorkerId("first"), WorkerId("second")
LONG = timedelta(days=1)


class Unwanted(Exception):
    """Undoes a unit."""


async def append(store: Store, talk: Conversation, *attempts: int, time: float = 1) -> None:
    payloads = [AttemptReset(attempt) for attempt in attempts]
    await store.write(talk.owner, lambda tx: tx.events.append(talk.id, payloads, now=at(time)))


async def waiting(store: Store, after: Place = BEGINNING, limit: int = 100) -> list[tuple[str, int]]:
    found = await store.read_system(lambda tx: tx.unpublished(after, limit=limit))
    return [(entry.event.conversation_id, entry.event.sequence) for entry in found]


async def hold(store: Store, publisher: WorkerId, *, now: float, until: float) -> int | None:
    return await store.write_system(
        lambda tx: tx.hold_outbox(publisher, now=at(now), until=at(until), wanted_until=at(now) + LONG)
    )


async def mark(store: Store, spans: Sequence[Span], *, publisher: WorkerId, epoch: int) -> bool:
    return await store.write_system(lambda tx: tx.mark_published(spans, publisher=publisher, epoch=epoch))


@pytest.fixture
async def wanted(store: Store) -> Store:
    """A store whose events somebody wants."""
    await store.write_system(lambda tx: tx.want_events(at(0) + LONG))
    return store


async def test_nothing_is_kept_that_nobody_wants(store: Store, talk: Conversation) -> None:
    await append(store, talk, 1, 2)
    assert await hold(store, FIRST, now=0, until=9) is None
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert await waiting(store) == []
    assert await store.read_system(lambda tx: tx.removals(limit=9)) == []
    assert await store.read_system(lambda tx: tx.backlog()) == Backlog(0)


async def test_events_wait_as_they_are_and_in_their_order_whoever_owns_them(wanted: Store) -> None:
    mine, elsewhere = conversation("a"), conversation("b", owner=ALICE_ELSEWHERE)
    await stored(wanted, mine, elsewhere)
    await append(wanted, mine, 1, 2)
    await append(wanted, elsewhere, 1)
    await append(wanted, mine, 3, time=5)
    found = await wanted.read_system(lambda tx: tx.unpublished(BEGINNING, limit=9))
    assert [(entry.owner, entry.event.conversation_key, entry.event.sequence) for entry in found] == [
        *((ALICE, "a", sequence) for sequence in (1, 2, 3)),
        (ALICE_ELSEWHERE, "b", 1),
    ]
    logged = await wanted.read(ALICE, lambda tx: tx.events.after(mine.id, 0, limit=9))
    assert [entry.event for entry in found[:3]] == logged
    assert await wanted.read_system(lambda tx: tx.backlog()) == Backlog(4, at(1))
    assert await waiting(wanted, found[1].place, limit=1) == [(mine.id, 3)]


async def test_what_was_not_committed_does_not_wait(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)

    async def undone(tx: Transaction) -> None:
        await tx.events.append(talk.id, [AttemptReset(1)], now=at(1))
        raise Unwanted

    with pytest.raises(Unwanted):
        await wanted.write(ALICE, undone)
    assert await waiting(wanted) == []


async def test_appends_that_race_leave_no_gap_in_what_waits(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    seen: list[list[int]] = []

    async def look() -> None:
        while len(seen) < 20:
            seen.append([sequence for _, sequence in await waiting(wanted)])

    await asyncio.gather(look(), *(append(wanted, talk, number) for number in range(30)))
    for sequences in [*seen, [sequence for _, sequence in await waiting(wanted)]]:
        assert sequences == list(range(1, len(sequences) + 1))
    assert len(await waiting(wanted)) == 30


async def test_what_is_marked_waits_no_more(wanted: Store) -> None:
    talk, other = conversation("a"), conversation("b")
    await stored(wanted, talk, other)
    await append(wanted, talk, 1, 2, 3)
    await append(wanted, other, 1)
    epoch = await hold(wanted, FIRST, now=0, until=9)
    assert epoch == 1
    assert await mark(wanted, [Span(talk.id, 1, 2), Span(other.id, 1, 1)], publisher=FIRST, epoch=epoch)
    assert await waiting(wanted) == [(talk.id, 3)]
    assert len(await wanted.read(ALICE, lambda tx: tx.events.after(talk.id, 0, limit=9))) == 3


async def test_one_publisher_at_a_time_and_the_one_before_marks_nothing(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    await append(wanted, talk, 1)
    assert await hold(wanted, FIRST, now=0, until=6) == 1
    assert await hold(wanted, SECOND, now=5, until=11) is None
    assert await hold(wanted, FIRST, now=5, until=11) == 1
    assert await hold(wanted, SECOND, now=11, until=17) == 2
    assert not await mark(wanted, [Span(talk.id, 1, 1)], publisher=FIRST, epoch=1)
    assert not await mark(wanted, [Span(talk.id, 1, 1)], publisher=SECOND, epoch=1)
    assert await waiting(wanted) == [(talk.id, 1)]
    assert await mark(wanted, [Span(talk.id, 1, 1)], publisher=SECOND, epoch=2)


async def test_a_publisher_that_goes_gives_the_outbox_to_the_next(wanted: Store) -> None:
    await hold(wanted, FIRST, now=0, until=6)
    await wanted.write_system(lambda tx: tx.release_outbox(SECOND))
    assert await hold(wanted, SECOND, now=1, until=7) is None
    await wanted.write_system(lambda tx: tx.release_outbox(FIRST))
    assert await hold(wanted, SECOND, now=1, until=7) == 2


async def test_a_deleted_conversation_is_told_of_and_then_forgotten(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    await append(wanted, talk, 1)
    await wanted.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    await wanted.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert await waiting(wanted) == []
    assert await wanted.read_system(lambda tx: tx.removals(limit=9)) == [Removal(ALICE, talk.id)]
    epoch = await hold(wanted, FIRST, now=0, until=6) or 0

    async def forget(tx: SystemTransaction, epoch: int) -> bool:
        return await tx.forget_removals([Removal(ALICE, talk.id)], publisher=FIRST, epoch=epoch)

    assert not await wanted.write_system(lambda tx: forget(tx, epoch + 1))
    assert await wanted.write_system(lambda tx: forget(tx, epoch))
    assert await wanted.read_system(lambda tx: tx.removals(limit=9)) == []


async def test_another_users_conversation_is_not_told_of_as_deleted(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    await wanted.write(ALICE_ELSEWHERE, lambda tx: tx.conversations.delete(talk.id))
    assert await wanted.read_system(lambda tx: tx.removals(limit=9)) == []


async def test_a_wish_that_is_not_renewed_ends(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    await append(wanted, talk, 1)
    assert not await wanted.write_system(lambda tx: tx.forget_wish(at(0) + LONG))
    assert await wanted.write_system(lambda tx: tx.forget_wish(at(1) + LONG))
    await append(wanted, talk, 2)
    assert await waiting(wanted) == [(talk.id, 1)]


async def test_of_a_buried_conversation_nothing_is_told_but_that_it_is_gone(wanted: Store) -> None:
    talk = conversation()
    await stored(wanted, talk)
    await append(wanted, talk, 1, 2)
    await wanted.write_system(lambda tx: tx.bury_of(ALICE, limit=9))
    assert await waiting(wanted) == []
    while await wanted.write_system(lambda tx: tx.dig(ALICE.tenant, limit=9)):
        pass
    assert await wanted.read_system(lambda tx: tx.backlog()) == Backlog(0)
    assert await wanted.read_system(lambda tx: tx.removals(limit=9)) == [Removal(ALICE, talk.id)]
