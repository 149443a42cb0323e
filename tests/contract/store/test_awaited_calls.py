"""Tool calls whose time to wait ends are found across owners, each run once, the soonest first."""

from dataclasses import replace

import pytest

from server.domain.ids import RunId
from server.domain.run import Run, RunReference, RunState
from server.domain.tool import ToolCallState
from server.ports.store import Store
from tests.contract.store.builders import ALICE, ALICE_ELSEWHERE, BOB, asked, at, running, tool_call

AWAITED = [ToolCallState.AWAITING_APPROVAL, ToolCallState.AWAITING_CLIENT]


async def _expired(store: Store, now: float, limit: int = 99) -> list[RunId]:
    return [each.id for each in await store.read_system(lambda tx: tx.expired_calls(at(now), limit=limit))]


async def _expiring(store: Store, now: float, until: float, limit: int = 99) -> list[RunId]:
    found = await store.read_system(lambda tx: tx.expiring_calls(at(now), until=at(until), limit=limit))
    return [each.id for each in found]


async def _waiting(store: Store, *ends: float) -> Run:
    """A parked run with calls whose times end then."""
    run = await running(store, state=RunState.AWAITING_APPROVAL, lease=None)
    for ordinal, end in enumerate(ends):
        await asked(store, tool_call(run, ordinal=ordinal, state=AWAITED[ordinal % 2], expires_at=at(end)))
    return run


async def test_a_call_expires_at_its_moment(store: Store) -> None:
    run = await _waiting(store, 6)
    assert await _expired(store, 5.999999) == []
    assert await _expired(store, 6) == [run.id]


async def test_a_reference_names_owner_conversation_and_epoch(store: Store) -> None:
    expected: list[RunReference] = []
    for owner in (ALICE, BOB, ALICE_ELSEWHERE):
        run = await running(store, owner=owner, state=RunState.AWAITING_CLIENT_TOOLS, lease=None, epoch=3)
        await asked(store, tool_call(run, state=AWAITED[1], expires_at=at(len(expected))), owner=owner)
        expected.append(RunReference(run.id, owner, run.conversation_id, 3))
    assert await store.read_system(lambda tx: tx.expired_calls(at(9), limit=9)) == expected
    assert await store.read_system(lambda tx: tx.expiring_calls(at(-1), until=at(9), limit=9)) == expected


@pytest.mark.parametrize("state", sorted(set(ToolCallState) - set(AWAITED)))
async def test_only_a_call_that_waits_expires(store: Store, state: ToolCallState) -> None:
    run = await running(store)
    await asked(store, tool_call(run, state=state, expires_at=at(1)))
    await asked(store, tool_call(run, ordinal=1, state=AWAITED[0], expires_at=None))
    assert await _expired(store, 9) == []
    assert await _expiring(store, 0, 9) == []


async def test_runs_come_once_the_soonest_first_up_to_the_limit_of_calls(store: Store) -> None:
    late, early = await _waiting(store, 5, 3), await _waiting(store, 2, 6)
    assert await _expired(store, 9) == [early.id, late.id]
    assert await _expired(store, 9, limit=1) == [early.id]
    assert await _expired(store, 9, limit=2) == [early.id, late.id]
    assert await _expiring(store, 0, 9) == [early.id, late.id]
    assert await _expiring(store, 0, 9, limit=1) == [early.id]


async def test_a_run_is_told_of_before_its_call_ends_unless_it_was_warned(store: Store) -> None:
    run = await _waiting(store, 6)
    assert await _expiring(store, 0, 5.999999) == []
    assert await _expiring(store, 0, 6) == [run.id]
    assert await _expiring(store, 6, 9) == [], "it is over"
    (call,) = await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id))
    await store.write(ALICE, lambda tx: tx.tool_calls.save(replace(call, warned=True), expected=call.state))
    assert await _expiring(store, 0, 6) == []
    assert await _expired(store, 6) == [run.id]


async def test_a_call_that_was_answered_does_not_expire(store: Store) -> None:
    run = await _waiting(store, 1)
    (call,) = await store.read(ALICE, lambda tx: tx.tool_calls.open(run.id))
    await store.write(
        ALICE,
        lambda tx: tx.tool_calls.save(replace(call, state=ToolCallState.SUCCEEDED), expected=call.state),
    )
    assert await _expired(store, 9) == []
