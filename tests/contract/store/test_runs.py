"""Runs: one active run per conversation, and changes that apply to one epoch and one state only."""

from dataclasses import replace
from datetime import timedelta

import pytest

from server.adapters.store.errors import RowRefused
from server.domain.conversation import Conversation
from server.domain.generation import GenerationConfig
from server.domain.ids import RunId, SessionId
from server.domain.message import Usage
from server.domain.run import Run, RunError, RunState
from server.ports.store import ListPosition, Store, Transaction
from tests.contract.store.builders import (
    ALICE,
    at,
    conversation,
    enqueued,
    lease,
    message,
    queued_run,
    running_run,
    stored,
)

TERMINAL = [state for state in RunState if state.is_terminal]
ACTIVE = [state for state in RunState if state.is_active]


async def _added(store: Store, run: Run) -> Run:
    await store.write(ALICE, lambda tx: tx.runs.add(run))
    return run


async def _talk(store: Store) -> Conversation:
    made = conversation()
    await stored(store, made)
    return made


async def test_what_is_added_comes_back_equal(store: Store, talk: Conversation) -> None:
    full = running_run(
        talk,
        generation=GenerationConfig("m", 1.5, 10, 0.1),
        session_id=SessionId("s"),
        actor="support",
    )
    await _added(store, full)
    assert await store.read(ALICE, lambda tx: tx.runs.get(full.id)) == full
    assert await store.read(ALICE, lambda tx: tx.runs.active(talk.id)) == full
    assert await store.read(ALICE, lambda tx: tx.runs.get(RunId("run_none"))) is None


async def test_a_conversation_has_one_active_run(store: Store) -> None:
    for first in ACTIVE:
        for second in ACTIVE:
            talk = await _talk(store)
            await _added(store, running_run(talk, state=first))
            with pytest.raises(RowRefused):
                await _added(store, running_run(talk, state=second))
            assert len(await store.read(ALICE, lambda tx, of=talk: tx.runs.page(of.id, limit=9, after=None))) == 1  # type: ignore[misc]


async def test_the_queue_starts_with_the_message_accepted_first(store: Store, talk: Conversation) -> None:
    """Not with the run that was made or added first."""
    late, early = message(talk), message(talk)

    async def unit(tx: Transaction) -> None:
        await tx.messages.enqueue(early)
        await tx.messages.enqueue(late)
        await tx.runs.add(queued_run(talk, time=1, user_message_id=late.id))
        await tx.runs.add(queued_run(talk, time=2, user_message_id=early.id))

    await store.write(ALICE, unit)
    first = await store.read(ALICE, lambda tx: tx.runs.next_queued(talk.id))
    assert first is not None
    assert first.user_message_id == early.id
    assert await store.read(ALICE, lambda tx: tx.runs.count_queued(talk.id)) == 2


async def test_an_idle_conversation_has_neither_active_nor_queued_runs(store: Store, talk: Conversation) -> None:
    over = await _added(store, running_run(talk))
    await store.write(ALICE, lambda tx: tx.runs.end(over.id, epoch=1, state=RunState.FAILED, now=at(1)))
    assert await store.read(ALICE, lambda tx: tx.runs.active(talk.id)) is None
    assert await store.read(ALICE, lambda tx: tx.runs.next_queued(talk.id)) is None
    assert await store.read(ALICE, lambda tx: tx.runs.count_queued(talk.id)) == 0


async def test_pages_are_sorted_by_time_then_id_and_together_are_the_list(store: Store, talk: Conversation) -> None:
    runs = [queued_run(talk, time=number // 3) for number in range(8)]
    for run in runs:
        await _added(store, run)
    in_order = sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True)
    paged: list[Run] = []
    after: ListPosition | None = None
    while page := await store.read(ALICE, lambda tx, after=after: tx.runs.page(talk.id, limit=3, after=after)):  # type: ignore[misc]
        paged += page
        after = ListPosition(page[-1].created_at, page[-1].id)
    assert paged == in_order


async def test_claiming_a_queued_run_starts_its_next_epoch(store: Store, talk: Conversation) -> None:
    run = await _added(store, queued_run(talk))
    claimed = await store.write(
        ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=0, lease=lease("w", 6), now=at(1))
    )
    assert claimed == replace(run, state=RunState.RUNNING, epoch=1, lease=lease("w", 6), started_at=at(1))
    assert await store.read(ALICE, lambda tx: tx.runs.active(talk.id)) == claimed


async def test_reclaiming_an_abandoned_run_keeps_when_it_began(store: Store, talk: Conversation) -> None:
    run = await _added(store, running_run(talk, worker="dead", until=6))
    claimed = await store.write(
        ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=1, lease=lease("w", 13), now=at(6))
    )
    assert claimed == replace(run, epoch=2, lease=lease("w", 13))


@pytest.mark.parametrize("epoch", [0, 2])
async def test_a_run_of_another_epoch_is_not_claimed(store: Store, talk: Conversation, epoch: int) -> None:
    run = await _added(store, running_run(talk, until=0))
    assert (
        await store.write(ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=epoch, lease=lease("w2"), now=at(9)))
        is None
    )
    assert await store.read(ALICE, lambda tx: tx.runs.get(run.id)) == run


async def test_a_run_is_not_taken_from_a_worker_whose_lease_lasts(store: Store, talk: Conversation) -> None:
    run = await _added(store, running_run(talk, worker="w1", until=6))

    async def claim(worker: str) -> Run | None:
        return await store.write(
            ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=1, lease=lease(worker, 9), now=at(5))
        )

    assert await claim("w2") is None
    again = await claim("w1")
    assert again is not None
    assert again.epoch == 2


async def test_a_queued_run_is_not_claimed_beside_an_active_one(store: Store, talk: Conversation) -> None:
    await _added(store, running_run(talk))
    waiting = await _added(store, queued_run(talk))

    async def unit(tx: Transaction) -> Run | None:
        refused = await tx.runs.claim(waiting.id, expected_epoch=0, lease=lease(), now=at(1))
        await tx.conversations.touch(talk.id, at(1), by=ALICE.user_id)  # the transaction is whole
        return refused

    assert await store.write(ALICE, unit) is None


async def test_a_run_in_another_state_is_not_claimed(store: Store) -> None:
    for state in set(RunState) - {RunState.QUEUED, RunState.RUNNING}:
        run = await _added(store, running_run(await _talk(store), state=state, until=0))
        claimed = await store.write(
            ALICE,
            lambda tx, run=run: tx.runs.claim(run.id, expected_epoch=1, lease=lease(), now=at(9)),  # type: ignore[misc]
        )
        assert claimed is None, state


async def test_only_a_running_run_of_that_epoch_is_held(store: Store) -> None:
    for state in RunState:
        run = await _added(store, running_run(await _talk(store), state=state))

        async def unit(tx: Transaction, run: Run = run) -> list[bool]:
            return [await tx.runs.hold(run.id, epoch=epoch) for epoch in (0, 1, 2)]

        assert await store.write(ALICE, unit) == [False, state is RunState.RUNNING, False]


async def test_a_run_that_is_not_over_ends_and_drops_its_lease(store: Store) -> None:
    error = RunError("PROVIDER_RATE_LIMITED", "wait", timedelta(seconds=1.5))
    for start in (RunState.QUEUED, *ACTIVE):
        for state in TERMINAL:
            run = await _added(store, running_run(await _talk(store), state=start))

            async def end(tx: Transaction, run: Run = run, state: RunState = state) -> list[bool]:
                return [
                    await tx.runs.end(run.id, epoch=1, state=state, now=at(3), error=error, usage=Usage(1, 2, 3)),
                    await tx.runs.end(run.id, epoch=1, state=RunState.FAILED, now=at(4)),
                ]

            assert await store.write(ALICE, end) == [True, False]
            ended = replace(run, state=state, lease=None, ended_at=at(3), error=error, usage=Usage(1, 2, 3))
            assert await store.read(ALICE, lambda tx, run=run: tx.runs.get(run.id)) == ended  # type: ignore[misc]


@pytest.mark.parametrize("epoch", [0, 2])
async def test_a_stale_epoch_ends_nothing(store: Store, talk: Conversation, epoch: int) -> None:
    run = await _added(store, running_run(talk))
    assert not await store.write(
        ALICE, lambda tx: tx.runs.end(run.id, epoch=epoch, state=RunState.COMPLETED, now=at(3))
    )
    assert await store.read(ALICE, lambda tx: tx.runs.get(run.id)) == run


async def test_a_run_goes_into_its_owners_conversation_only(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)
    run = await store.write(ALICE, lambda tx: enqueued(tx, other))
    assert await store.read(ALICE, lambda tx: tx.runs.next_queued(talk.id)) is None
    assert await store.read(ALICE, lambda tx: tx.runs.next_queued(other.id)) == run
