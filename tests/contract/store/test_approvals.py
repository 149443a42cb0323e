"""Requests for approval: one decision each, whoever is first."""

import asyncio
from dataclasses import replace

import pytest

from server.adapters.store.errors import RowRefused
from server.domain.conversation import Conversation
from server.domain.errors import RunNotFound
from server.domain.ids import ToolCallId, UserId
from server.domain.run import RunState
from server.domain.tool import Approval, ApprovalState, ToolCallState, ToolInvocation
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, approval, asked, at, lease, running, tool_call

PENDING = ApprovalState.PENDING
RACES = 100


async def _awaiting(store: Store) -> ToolInvocation:
    """A stored call that waits for its approval, of a run in a conversation of its own."""
    call = tool_call(await running(store), state=ToolCallState.AWAITING_APPROVAL, expires_at=at(60))
    await asked(store, call)
    return call


async def _added(store: Store, request: Approval) -> Approval:
    await store.write(ALICE, lambda tx: tx.approvals.add(request))
    return request


async def _current(store: Store, call: ToolInvocation) -> Approval | None:
    return await store.read(ALICE, lambda tx: tx.approvals.current(call.id))


async def test_what_is_added_comes_back_equal(store: Store) -> None:
    call = await _awaiting(store)
    request = await _added(store, approval(call))
    assert await _current(store, call) == request
    full = approval(call, state=ApprovalState.DENIED, reason="no", decided_by=UserId("u"), decided_at=at(3))
    await _added(store, full)
    assert await _current(store, call) == full
    assert await store.read(ALICE, lambda tx: tx.approvals.current(ToolCallId("none"))) is None


async def test_a_request_is_of_a_stored_call_of_its_run_and_conversation(store: Store, talk: Conversation) -> None:
    call, other = await _awaiting(store), await _awaiting(store)
    refused = [
        approval(replace(call, id=ToolCallId("call_none"))),
        approval(replace(call, run_id=other.run_id)),
        approval(replace(call, conversation_id=talk.id)),
    ]
    for request in refused:
        with pytest.raises(RunNotFound):
            await _added(store, request)
    assert await _current(store, call) is None


async def test_one_request_of_a_call_is_pending(store: Store) -> None:
    call = await _awaiting(store)
    first = await _added(store, approval(call))
    with pytest.raises(RowRefused):
        await _added(store, approval(call))
    assert await store.read(ALICE, lambda tx: tx.approvals.pending(call.conversation_id)) == [first]


async def test_the_current_request_is_the_one_added_last_whatever_the_clock_says(store: Store) -> None:
    call = await _awaiting(store)
    first = await _added(store, approval(call, time=9))

    async def replaced(tx: Transaction) -> Approval:
        await tx.approvals.settle(first, ApprovalState.VOID, expected=PENDING, now=at(1))
        second = approval(call, time=1, definition_digest="d2")
        await tx.approvals.add(second)
        return second

    assert await store.write(ALICE, replaced) == await _current(store, call)


async def test_pending_requests_of_a_conversation_come_oldest_first(store: Store) -> None:
    run = await running(store)
    calls = [tool_call(run, ordinal=number, state=ToolCallState.AWAITING_APPROVAL) for number in range(4)]
    await asked(store, *calls)
    elsewhere = await _awaiting(store)
    await _added(store, approval(elsewhere))
    for call, time in zip(calls, (3, 1, 2, 0), strict=True):
        await _added(store, approval(call, time=time))
    pending = await store.read(ALICE, lambda tx: tx.approvals.pending(run.conversation_id))
    assert [each.tool_call_id for each in pending] == [calls[3].id, calls[1].id, calls[2].id, calls[0].id]
    await store.write(
        ALICE, lambda tx: tx.approvals.settle(pending[1], ApprovalState.EXPIRED, expected=PENDING, now=at(9))
    )
    left = await store.read(ALICE, lambda tx: tx.approvals.pending(run.conversation_id))
    assert left == [pending[0], *pending[2:]]


async def test_a_decision_keeps_who_when_and_why_and_using_it_changes_them_not(store: Store) -> None:
    call = await _awaiting(store)
    request = await _added(store, approval(call))
    by, other = UserId("u1"), UserId("u2")

    async def decide(tx: Transaction) -> bool:
        return await tx.approvals.settle(
            request, ApprovalState.APPROVED, expected=PENDING, now=at(5), by=by, reason="fine"
        )

    assert await store.write(ALICE, decide)
    decided = replace(request, state=ApprovalState.APPROVED, reason="fine", decided_by=by, decided_at=at(5))
    assert await _current(store, call) == decided

    async def use(tx: Transaction) -> bool:
        return await tx.approvals.settle(
            decided, ApprovalState.USED, expected=ApprovalState.APPROVED, now=at(9), by=other, reason="x"
        )

    assert await store.write(ALICE, use)
    assert await _current(store, call) == replace(decided, state=ApprovalState.USED)


async def test_a_request_moves_from_the_expected_state_only(store: Store) -> None:
    for state in ApprovalState:
        call = await _awaiting(store)
        request = await _added(store, approval(call, state=state))
        for expected in set(ApprovalState) - {state}:

            async def settle(tx: Transaction, request: Approval = request, at_state: ApprovalState = expected) -> bool:
                return await tx.approvals.settle(
                    request, ApprovalState.VOID, expected=at_state, now=at(9), by=UserId("u"), reason="x"
                )

            assert not await store.write(ALICE, settle), (state, expected)
        assert await _current(store, call) == request


async def test_a_request_that_is_not_stored_is_not_settled(store: Store) -> None:
    call = await _awaiting(store)
    assert not await store.write(
        ALICE, lambda tx: tx.approvals.settle(approval(call), ApprovalState.APPROVED, expected=PENDING, now=at(1))
    )


async def test_requests_go_with_their_conversation(store: Store) -> None:
    gone, kept = await _awaiting(store), await _awaiting(store)
    await _added(store, approval(gone))
    request = await _added(store, approval(kept))
    await store.write(ALICE, lambda tx: tx.conversations.delete(gone.conversation_id))
    assert (await _current(store, gone), await _current(store, kept)) == (None, request)


async def _decide(store: Store, request: Approval, state: ApprovalState, by: str) -> bool:
    """A decision as a use case makes it: the conversation locked, request and call moved together."""

    async def unit(tx: Transaction) -> bool:
        await tx.conversations.lock_by_id(request.conversation_id)
        if not await tx.approvals.settle(request, state, expected=PENDING, now=at(5), by=UserId(by)):
            return False
        call = await tx.tool_calls.get(request.conversation_id, request.tool_call_id)
        assert call is not None
        moved = ToolCallState.READY if state is ApprovalState.APPROVED else ToolCallState.DENIED
        assert await tx.tool_calls.save(replace(call, state=moved), expected=ToolCallState.AWAITING_APPROVAL)
        return True

    return await store.write(ALICE, unit)


async def test_of_two_decisions_at_once_exactly_one_is_made(store: Store) -> None:
    for number in range(RACES):
        call = await _awaiting(store)
        request = await _added(store, approval(call))
        decisions = [(ApprovalState.APPROVED, "yes"), (ApprovalState.DENIED, "no")]
        if number % 2:
            decisions.reverse()
        made = await asyncio.gather(*(_decide(store, request, state, by) for state, by in decisions))
        assert sorted(made) == [False, True]
        (won,) = (decision for decision, is_made in zip(decisions, made, strict=True) if is_made)
        found = await _current(store, call)
        assert found is not None
        assert (found.state, found.decided_by) == won
        moved = await store.read(ALICE, lambda tx, call=call: tx.tool_calls.get(call.conversation_id, call.id))  # type: ignore[misc]
        assert moved is not None
        assert (moved.state is ToolCallState.READY) == (won[0] is ApprovalState.APPROVED)


async def test_of_two_who_settle_without_a_lock_exactly_one_does(store: Store) -> None:
    """The statement's own condition decides, not the order of the locks."""
    for _ in range(RACES):
        request = await _added(store, approval(await _awaiting(store)))
        settled = await asyncio.gather(
            *(
                store.write(
                    ALICE,
                    lambda tx, request=request, state=state: tx.approvals.settle(  # type: ignore[misc]
                        request, state, expected=PENDING, now=at(5)
                    ),
                )
                for state in (ApprovalState.APPROVED, ApprovalState.EXPIRED)
            )
        )
        assert sorted(settled) == [False, True]


async def test_of_two_who_resume_a_run_exactly_one_does(store: Store) -> None:
    for _ in range(RACES):
        run = await running(store, state=RunState.AWAITING_APPROVAL, lease=None)
        resumed = await asyncio.gather(
            *(
                store.write(
                    ALICE,
                    lambda tx, run=run, worker=worker: tx.runs.resume(  # type: ignore[misc]
                        run.id, expected_epoch=1, lease=lease(worker)
                    ),
                )
                for worker in ("w1", "w2")
            )
        )
        (winner,) = (each for each in resumed if each is not None)
        assert winner.epoch == 2
        assert await store.read(ALICE, lambda tx, run=run: tx.runs.get(run.id)) == winner  # type: ignore[misc]
