"""Leases and what waits for a worker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.domain.conversation import Conversation
from server.domain.ids import RunId, WorkerId
from server.domain.run import Run, RunReference, RunState
from server.ports.store import Store, SystemTransaction, Transaction
from tests.contract.store.builders import (
    ALICE,
    ALICE_ELSEWHERE,
    BOB,
    at,
    conversation,
    enqueued,
    lease,
    running_run,
    stored,
)


async def _running(store: Store, **fields: object) -> Run:
    """A run in a conversation of its own."""
    talk = conversation()
    await stored(store, talk)
    run = running_run(talk, **fields)  # type: ignore[arg-type]
    await store.write(ALICE, lambda tx: tx.runs.add(run))
    return run


async def _get(store: Store, run: Run) -> Run | None:
    return await store.read(ALICE, lambda tx: tx.runs.get(run.id))


async def _claimable(store: Store, now: float, limit: int = 99) -> list[RunId]:
    found = await store.read_system(lambda tx: tx.claimable(at(now), limit=limit))
    return [reference.id for reference in found]


async def test_a_worker_renews_what_it_holds_and_hears_the_epochs(store: Store) -> None:
    mine = await _running(store, worker="w1", epoch=4)
    also_mine = await _running(store, worker="w1")
    foreign = await _running(store, worker="w2")
    over = await _running(store, worker="w1")
    await store.write(ALICE, lambda tx: tx.runs.end(over.id, epoch=1, state=RunState.COMPLETED, now=at(1)))
    asked = [mine.id, foreign.id, over.id, RunId("none")]
    renewed = await store.write_system(lambda tx: tx.renew_leases(lease("w1", 60), asked))
    assert renewed == {mine.id: 4}
    assert await _get(store, mine) == replace(mine, lease=lease("w1", 60))
    assert await _get(store, also_mine) == also_mine
    assert await _get(store, foreign) == foreign


async def test_a_lease_that_was_taken_over_is_not_renewed(store: Store) -> None:
    run = await _running(store, worker="w1", until=6)
    await store.write(ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=1, lease=lease("w2", 20), now=at(9)))
    assert await store.write_system(lambda tx: tx.renew_leases(lease("w1", 60), [run.id])) == {}
    assert await _claimable(store, 20) == [run.id]


async def test_a_released_run_is_claimable_at_once_and_no_longer_renewed(store: Store) -> None:
    run = await _running(store, worker="w1", until=60)
    assert await _claimable(store, 1) == []
    assert not await store.write_system(lambda tx: tx.release_lease(run.id, epoch=2, worker=WorkerId("w1")))
    assert not await store.write_system(lambda tx: tx.release_lease(run.id, epoch=1, worker=WorkerId("w2")))
    assert await _claimable(store, 1) == []
    assert await store.write_system(lambda tx: tx.release_lease(run.id, epoch=1, worker=WorkerId("w1")))
    assert await _claimable(store, 1) == [run.id]
    assert await store.write_system(lambda tx: tx.renew_leases(lease("w1", 60), [run.id])) == {}
    claimed = await store.write(ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=1, lease=lease("w2"), now=at(1)))
    assert claimed is not None


async def test_voiding_ends_every_lease(store: Store) -> None:
    runs = [await _running(store, worker=worker, until=60, time=n) for n, worker in enumerate(("w1", "w2"))]
    assert await store.write_system(lambda tx: tx.void_leases()) == 2
    assert await _claimable(store, 1) == [run.id for run in runs]
    assert await store.write_system(lambda tx: tx.void_leases()) == 0


async def test_a_running_run_is_claimable_from_the_end_of_its_lease_on(store: Store) -> None:
    run = await _running(store, until=6)
    assert await _claimable(store, 5.999999) == []
    assert await _claimable(store, 6) == [run.id]


async def test_a_reference_names_owner_conversation_and_epoch(store: Store, talk: Conversation) -> None:
    for owner in (ALICE, BOB, ALICE_ELSEWHERE):
        theirs = conversation("c", owner=owner)
        await stored(store, theirs)
        run = await store.write(owner, lambda tx, theirs=theirs: enqueued(tx, theirs))  # type: ignore[misc]
        reference = RunReference(run.id, owner, theirs.id, 0)
        assert reference in await store.read_system(lambda tx: tx.claimable(at(0), limit=9))


async def test_only_the_head_of_an_idle_conversations_queue_is_claimable(store: Store, talk: Conversation) -> None:
    async def fill(tx: Transaction) -> tuple[Run, Run]:
        return await enqueued(tx, talk, time=2), await enqueued(tx, talk, time=1)

    first, second = await store.write(ALICE, fill)
    assert await _claimable(store, 9) == [first.id]
    await store.write(ALICE, lambda tx: tx.runs.claim(first.id, expected_epoch=0, lease=lease(until=60), now=at(9)))
    assert await _claimable(store, 9) == []
    await store.write(ALICE, lambda tx: tx.runs.end(first.id, epoch=1, state=RunState.COMPLETED, now=at(9)))
    assert await _claimable(store, 9) == [second.id]


async def test_a_parked_run_keeps_its_conversation_and_is_not_claimable(store: Store) -> None:
    parked = await _running(store, state=RunState.AWAITING_APPROVAL, until=0)
    found = await store.read(ALICE, lambda tx: tx.conversations.by_id(parked.conversation_id))
    assert found is not None
    await store.write(ALICE, lambda tx: enqueued(tx, found))
    assert await _claimable(store, 99) == []


async def test_the_oldest_come_first_up_to_the_limit(store: Store) -> None:
    abandoned = [await _running(store, time=time, until=0) for time in (5, 1, 3)]
    waiting = []
    for time in (4, 0, 2):
        talk = conversation()
        await stored(store, talk)
        waiting.append(await store.write(ALICE, lambda tx, t=time, of=talk: enqueued(tx, of, time=t)))  # type: ignore[misc]
    in_order = [run.id for run in sorted([*abandoned, *waiting], key=lambda run: run.created_at)]
    assert await _claimable(store, 9) == in_order
    assert await _claimable(store, 9, limit=4) == in_order[:4]


async def test_the_stores_time_goes_on_and_is_about_that_of_its_machine(store: Store) -> None:
    first, second = [await store.read_system(lambda tx: tx.time()) for _ in range(2)]
    assert first <= second
    assert abs(second - datetime.now(UTC)) < timedelta(minutes=1)


async def test_the_stores_time_does_not_stand_still_within_a_transaction(store: Store) -> None:
    async def unit(tx: SystemTransaction) -> list[datetime]:
        return [await tx.time() for _ in range(3)]

    times = await store.read_system(unit)
    assert times == sorted(times)
    assert times[0] < times[-1]
