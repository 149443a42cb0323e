"""Runs of several steps: they wait without a worker, go on in a new epoch, and count the attempts of one step."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from server.domain.message import Usage
from server.domain.run import PARKED_STATES, Run, RunState
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, at, lease, running

PARKED = sorted(PARKED_STATES)
Change = Callable[[Transaction, Run, int], Awaitable[Any]]


async def _get(store: Store, run: Run) -> Run | None:
    return await store.read(ALICE, lambda tx: tx.runs.get(run.id))


@pytest.mark.parametrize("state", PARKED)
async def test_a_running_run_parks_without_its_lease(store: Store, state: RunState) -> None:
    run = await running(store, worker="w1", until=6)
    assert await store.write(ALICE, lambda tx: tx.runs.park(run.id, epoch=1, state=state))
    parked = replace(run, state=state, lease=None)
    assert await _get(store, run) == parked
    assert await store.read(ALICE, lambda tx: tx.runs.active(run.conversation_id)) == parked
    assert not await store.write(ALICE, lambda tx: tx.runs.hold(run.id, epoch=1))
    assert await store.write_system(lambda tx: tx.renew_leases(lease("w1", 60), [run.id])) == {}
    assert await store.read_system(lambda tx: tx.claimable(at(99), limit=9)) == []


@pytest.mark.parametrize("start", PARKED)
@pytest.mark.parametrize("state", PARKED)
async def test_a_parked_run_moves_between_the_parked_states(store: Store, start: RunState, state: RunState) -> None:
    run = await running(store, state=start, lease=None)
    assert await store.write(ALICE, lambda tx: tx.runs.move(run.id, epoch=1, state=state))
    assert await _get(store, run) == replace(run, state=state)


@pytest.mark.parametrize("state", PARKED)
async def test_a_parked_run_goes_on_in_its_next_epoch_and_its_first_attempt(store: Store, state: RunState) -> None:
    run = await running(store, state=state, lease=None, epoch=3, rounds=2, settled_epoch=1)
    resumed = await store.write(ALICE, lambda tx: tx.runs.resume(run.id, expected_epoch=3, lease=lease("w2", 9)))
    assert resumed == replace(run, state=RunState.RUNNING, epoch=4, settled_epoch=3, lease=lease("w2", 9))
    assert resumed.attempts == 1
    assert await _get(store, run) == resumed
    assert await store.write(ALICE, lambda tx: tx.runs.hold(run.id, epoch=4))


async def test_a_stored_step_settles_the_attempts_before_it(store: Store) -> None:
    run = await running(store, epoch=3)
    assert run.attempts == 3
    spent = Usage(1, 2, 3)
    assert await store.write(ALICE, lambda tx: tx.runs.settle(run.id, epoch=3, rounds=1, usage=spent))
    settled = replace(run, settled_epoch=2, rounds=1, usage=spent)
    assert await _get(store, run) == settled
    assert settled.attempts == 1
    assert await store.write(ALICE, lambda tx: tx.runs.settle(run.id, epoch=3))
    assert await _get(store, run) == settled


async def test_a_claim_is_an_attempt_of_the_same_step(store: Store) -> None:
    run = await running(store, epoch=3, settled_epoch=2, rounds=1, until=0)
    claimed = await store.write(ALICE, lambda tx: tx.runs.claim(run.id, expected_epoch=3, lease=lease(), now=at(1)))
    assert claimed == replace(run, epoch=4, lease=lease())
    assert claimed.attempts == 2


async def test_a_parked_run_ends(store: Store) -> None:
    for state in PARKED:
        run = await running(store, state=state, lease=None)
        assert await store.write(
            ALICE,
            lambda tx, run=run: tx.runs.end(run.id, epoch=1, state=RunState.CANCELLED, now=at(3)),  # type: ignore[misc]
        )
        assert await _get(store, run) == replace(run, state=RunState.CANCELLED, ended_at=at(3))


async def _park(tx: Transaction, run: Run, epoch: int) -> bool:
    return await tx.runs.park(run.id, epoch=epoch, state=RunState.AWAITING_APPROVAL)


async def _move(tx: Transaction, run: Run, epoch: int) -> bool:
    return await tx.runs.move(run.id, epoch=epoch, state=RunState.AWAITING_CLIENT_TOOLS)


async def _resume(tx: Transaction, run: Run, epoch: int) -> bool:
    return await tx.runs.resume(run.id, expected_epoch=epoch, lease=lease("w9", 99)) is not None


async def _settle(tx: Transaction, run: Run, epoch: int) -> bool:
    return await tx.runs.settle(run.id, epoch=epoch, rounds=9)


APPLIES_TO: dict[Change, frozenset[RunState]] = {
    _park: frozenset({RunState.RUNNING}),
    _move: PARKED_STATES,
    _resume: PARKED_STATES,
    _settle: frozenset({RunState.RUNNING}),
}


@pytest.mark.parametrize("change", APPLIES_TO, ids=lambda change: change.__name__)
async def test_a_change_applies_to_its_states_and_its_epoch_only(store: Store, change: Change) -> None:
    for state in RunState:
        run = await running(store, state=state, epoch=4)
        for epoch in (0, 3, 5):
            assert not await store.write(ALICE, lambda tx, run=run, epoch=epoch: change(tx, run, epoch)), state  # type: ignore[misc]
            assert await _get(store, run) == run, state
        applies = await store.write(ALICE, lambda tx, run=run: change(tx, run, 4))  # type: ignore[misc]
        assert applies == (state in APPLIES_TO[change]), state
        assert applies or await _get(store, run) == run, state


@pytest.mark.parametrize("state", sorted(set(RunState) - PARKED_STATES))
async def test_no_run_waits_in_another_state(store: Store, state: RunState) -> None:
    run = await running(store)
    with pytest.raises(ValueError, match="waits"):
        await store.write(ALICE, lambda tx: tx.runs.park(run.id, epoch=1, state=state))
    with pytest.raises(ValueError, match="waits"):
        await store.write(ALICE, lambda tx: tx.runs.move(run.id, epoch=1, state=state))
    assert await _get(store, run) == run
