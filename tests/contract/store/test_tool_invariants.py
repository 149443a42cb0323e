"""The invariants of tool calls hold of a run that uses tools, and miss nothing that could go wrong with it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.domain.events import (
    MessageCompleted,
    MessageStarted,
    Payload,
    RunPaused,
    RunResumed,
    RunStarted,
    TextDelta,
    ToolCallDecided,
    ToolCallEnded,
    ToolCallRequested,
    ToolCallStarted,
)
from server.domain.message import Role, ToolCall
from server.domain.run import RunState
from server.domain.tool import ApprovalState, Decision, ToolCallState, ToolInvocation
from server.domain.usage import Spent
from server.ports.store import Store, Transaction
from tests.contract.store.builders import (
    ALICE,
    approval,
    at,
    conversation,
    lease,
    message,
    model_call,
    running_run,
    tool_call,
)
from tests.support.invariants import check_invariants

WAITING, READY, RUNNING = ToolCallState.AWAITING_APPROVAL, ToolCallState.READY, ToolCallState.RUNNING


async def _tell(store: Store) -> None:
    """A run asks for two tools; one is approved and called, the other waits still."""
    talk = conversation("talk")
    question = message(talk)
    run = running_run(talk, user_message_id=question.id)
    answer = message(talk, "Let me look", role=Role.ASSISTANT, run_id=run.id)
    first, second = (
        tool_call(run, id=f"call_{number}", message_id=answer.id, ordinal=number, state=WAITING, expires_at=at(60))
        for number in range(2)
    )
    asking = replace(answer, tool_calls=tuple(ToolCall(call.id, call.name, call.arguments) for call in (first, second)))
    request = approval(first)

    async def record(tx: Transaction, *payloads: Payload, epoch: int = 1) -> None:
        await tx.events.append(talk.id, payloads, now=at(1), run_id=run.id, epoch=epoch)

    async def ask(tx: Transaction) -> None:
        await tx.conversations.add(talk)
        await tx.messages.append(question)
        await tx.runs.add(run)
        await record(tx, RunStarted(question, "m"), MessageStarted(answer.id, Role.ASSISTANT, "m"))
        await tx.messages.append(asking)
        await tx.usage.settle(model_call(run, message_id=answer.id), Spent(12, 3))
        await record(tx, TextDelta(answer.id, "Let me look"), MessageCompleted(asking), _asked(first), _asked(second))
        await tx.tool_calls.add([first, second])
        await tx.approvals.add(request)
        await tx.approvals.add(approval(second))
        assert await tx.runs.settle(run.id, epoch=1, rounds=1)
        assert await tx.runs.park(run.id, epoch=1, state=RunState.AWAITING_APPROVAL)
        await record(tx, RunPaused(RunState.AWAITING_APPROVAL))

    async def approve(tx: Transaction) -> None:
        pending, approved, used = ApprovalState.PENDING, ApprovalState.APPROVED, ApprovalState.USED
        assert await tx.approvals.settle(request, approved, expected=pending, now=at(2), by=ALICE.user_id)
        assert await tx.tool_calls.save(replace(first, state=READY, expires_at=None), expected=WAITING)
        assert await tx.runs.resume(run.id, expected_epoch=1, lease=lease())
        await record(tx, RunResumed(), ToolCallDecided(first.id, Decision.APPROVED), epoch=2)
        called = replace(first, state=RUNNING, expires_at=None, intent_epoch=2, intent_at=at(3))
        assert await tx.approvals.settle(request, used, expected=approved, now=at(3))
        assert await tx.tool_calls.save(called, expected=READY)
        await record(tx, ToolCallStarted(first.id), epoch=2)
        result = message(talk, "found", role=Role.TOOL, run_id=run.id, tool_call_id=first.id)
        await tx.messages.append(result)
        ended = replace(called, state=ToolCallState.SUCCEEDED, ended_at=at(4))
        assert await tx.tool_calls.save(ended, expected=RUNNING)
        await record(tx, MessageCompleted(result), ToolCallEnded(first.id, ended.state), epoch=2)
        assert await tx.runs.park(run.id, epoch=2, state=RunState.AWAITING_APPROVAL)
        await record(tx, RunPaused(RunState.AWAITING_APPROVAL), epoch=2)

    for unit in (ask, approve):
        await store.write(ALICE, unit)


def _asked(call: ToolInvocation) -> Payload:
    return ToolCallRequested(call.id, call.name, call.arguments, call.state, call.server, call.tool, call.expires_at)


@pytest.fixture
async def told(sqlite_url: str, sqlite_path: Path) -> Path:
    """The file of a store in which that has happened."""
    async with open_store(sqlite_url, feed=LocalFeed()) as store:
        await _tell(store)
    return sqlite_path


def test_they_hold_of_a_run_that_uses_tools(told: Path) -> None:
    check_invariants(told, settled=False)


FAULTS = {
    "UPDATE runs SET rounds = 2": "counts 2 rounds",
    "UPDATE runs SET settled_epoch = 2": "settled too much",
    "UPDATE runs SET lease_worker = 'w'": "kept its lease",
    "UPDATE runs SET state = 'AWAITING_CLIENT_TOOLS'": "waits for something else",
    "UPDATE runs SET state = 'COMPLETED', ended_at = 1": "ended 0 times",
    "DELETE FROM approvals WHERE state = 'PENDING'": "wait for approval and requests",
    "UPDATE approvals SET definition_digest = 'd9' WHERE state = 'PENDING'": "shows another tool",
    "UPDATE approvals SET state = 'APPROVED' WHERE state = 'USED'": "was not used up",
    "UPDATE approvals SET decided_by = NULL WHERE state = 'USED'": "nobody decided",
    "UPDATE approvals SET decided_at = NULL WHERE state = 'USED'": "has a wrong end",
    "UPDATE approvals SET epoch = 9": "of another run",
    "UPDATE tool_calls SET intents = 2 WHERE id = 'call_0'": "made twice",
    "UPDATE tool_calls SET intents = 0 WHERE id = 'call_0'": "lost its intent",
    "UPDATE tool_calls SET intents = 0, intent_epoch = NULL WHERE id = 'call_0'": "without an intent",
    "UPDATE tool_calls SET repeatable = 1, intents = 2 WHERE id = 'call_0'": "begun otherwise",
    "UPDATE tool_calls SET state = 'FAILED' WHERE id = 'call_0'": "ended otherwise",
    "UPDATE tool_calls SET ended_at = NULL WHERE id = 'call_0'": "has a wrong end",
    "UPDATE tool_calls SET expires_at = NULL WHERE id = 'call_1'": "waits for ever",
    "UPDATE tool_calls SET state = 'READY' WHERE id = 'call_1'": "waits beside",
    "UPDATE tool_calls SET state = 'CLOSED', ended_at = 1 WHERE id = 'call_1'": "other results than the ledger",
    "UPDATE tool_calls SET arguments = '{}' WHERE id = 'call_1'": "ledger and messages",
    "UPDATE tool_calls SET ordinal = 1 - ordinal": "ledger and messages",
    "DELETE FROM tool_calls WHERE id = 'call_1'": "ledger",
    "UPDATE run_events SET kind = 'approval_expiring' WHERE kind = 'tool_call_ended'": "ended otherwise",
    "UPDATE run_events SET kind = 'approval_expiring' WHERE kind = 'tool_call_requested'": "began with|other calls",
    "UPDATE run_events SET kind = 'approval_expiring' WHERE kind = 'run_resumed'": "worked while it waited",
    "UPDATE run_events SET kind = 'approval_expiring' WHERE kind = 'run_paused'": "without a pause",
    "UPDATE runs SET state = 'RUNNING'": "otherwise than the log",
    "UPDATE messages SET tool_call_id = 'call_1' WHERE role = 'tool'": "other results than the ledger",
    "UPDATE messages SET run_id = NULL WHERE role = 'tool'": "completes other messages",
    "UPDATE messages SET content = 'forged' WHERE role = 'tool'": "tells another message",
    "UPDATE messages SET tool_calls = NULL WHERE role = 'assistant'": "a result of no call",
}
"""Each a thing that must not happen, and what is said of it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_that_goes_wrong_is_missed(told: Path, fault: str) -> None:
    with closing(sqlite3.connect(told)) as connection:
        assert connection.execute(fault).rowcount > 0
        connection.commit()
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        check_invariants(told, settled=False)
