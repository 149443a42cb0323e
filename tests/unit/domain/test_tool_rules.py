"""When a tool may be called and what a run waits for: every rule over made-up entries of the ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement

import pytest

from server.domain.ids import ApprovalId, ConversationId, MessageId, RunId, ToolCallId, result_id
from server.domain.run import RunState
from server.domain.tool import (
    OPEN_STATES,
    Approval,
    ApprovalState,
    ServerTool,
    ToolCallState,
    ToolInvocation,
    ToolPolicy,
    ToolSpec,
)
from server.domain.tool_rules import Permission, awaited, first_expiry, permission, unended

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=24)
TOOL = ServerTool("bank", "pay", ToolSpec("bank__pay", "Pays.", '{"type":"object"}'), ToolPolicy.APPROVAL)
CALL = ToolInvocation(
    id=ToolCallId("call_1"),
    conversation_id=ConversationId("c"),
    run_id=RunId("run_1"),
    message_id=MessageId("m"),
    ordinal=0,
    epoch=2,
    name="bank__pay",
    arguments='{"n": 1}',
    state=ToolCallState.READY,
    requested_at=NOW,
    server="bank",
    tool="pay",
    definition_digest=TOOL.spec.digest,
)
APPROVED = Approval(
    id=ApprovalId("a"),
    tool_call_id=CALL.id,
    conversation_id=CALL.conversation_id,
    run_id=CALL.run_id,
    epoch=CALL.epoch,
    definition_digest=TOOL.spec.digest,
    arguments_digest=CALL.arguments_digest,
    requested_at=NOW,
    expires_at=LATER,
    state=ApprovalState.APPROVED,
)


def test_an_approval_permits_what_it_was_given_for() -> None:
    assert permission(CALL, TOOL, APPROVED, now=NOW) is Permission.GRANTED
    assert permission(CALL, TOOL, None, now=NOW) is Permission.NEEDED


@pytest.mark.parametrize(
    "change",
    [
        {"tool_call_id": ToolCallId("call_2")},
        {"run_id": RunId("run_2")},
        {"epoch": 3},
        {"arguments_digest": "other"},
        {"definition_digest": "other"},
        {"expires_at": NOW},
        *({"state": state} for state in ApprovalState if state is not ApprovalState.APPROVED),
    ],
    ids=str,
)
def test_an_approval_of_anything_else_does_not(change: dict[str, object]) -> None:
    other = replace(APPROVED, **change)  # type: ignore[arg-type]  # each of its own type
    assert permission(CALL, TOOL, other, now=NOW) is Permission.NEEDED


@pytest.mark.parametrize("part", ["name", "description", "input_schema"])
def test_a_tool_defined_otherwise_is_another_tool(part: str) -> None:
    changed = replace(TOOL, spec=replace(TOOL.spec, **{part: "other"}))
    assert permission(CALL, changed, APPROVED, now=NOW) is Permission.NEEDED


def test_the_policy_of_the_moment_counts() -> None:
    assert permission(CALL, replace(TOOL, policy=ToolPolicy.AUTO), None, now=NOW) is Permission.GRANTED
    assert permission(CALL, replace(TOOL, policy=ToolPolicy.DENY), APPROVED, now=NOW) is Permission.FORBIDDEN


def test_a_used_approval_is_good_for_the_same_call_again_only_if_that_may_be_repeated() -> None:
    used = replace(APPROVED, state=ApprovalState.USED)
    begun = replace(CALL, intent_epoch=2)
    assert permission(begun, TOOL, used, now=NOW) is Permission.NEEDED
    assert permission(replace(begun, is_repeatable=True), TOOL, used, now=LATER) is Permission.GRANTED
    assert permission(replace(CALL, is_repeatable=True), TOOL, used, now=NOW) is Permission.NEEDED


def test_a_run_waits_only_when_nothing_is_to_be_done() -> None:
    """For a person before the client, and for nobody while a call is ready, is being made, or none is open."""
    assert awaited([]) is None
    for length in (1, 2, 3):
        for states in combinations_with_replacement(sorted(OPEN_STATES), length):
            found = awaited([replace(CALL, state=state) for state in states])
            if ToolCallState.READY in states or ToolCallState.RUNNING in states:
                assert found is None
            elif ToolCallState.AWAITING_APPROVAL in states:
                assert found is RunState.AWAITING_APPROVAL
            else:
                assert found is RunState.AWAITING_CLIENT_TOOLS


def test_the_first_of_the_calls_that_wait_says_when_waiting_ends() -> None:
    assert first_expiry([CALL]) is None
    waiting = [replace(CALL, expires_at=moment) for moment in (LATER, NOW)]
    assert first_expiry([CALL, *waiting]) == NOW


def test_only_a_call_that_was_made_has_an_unknown_outcome() -> None:
    for state in OPEN_STATES:
        wanted = ToolCallState.UNKNOWN if state is ToolCallState.RUNNING else ToolCallState.CLOSED
        assert unended(replace(CALL, state=state)) is wanted


def test_a_call_has_one_result_whose_id_follows_from_its_own() -> None:
    assert result_id(CALL.id) == result_id(ToolCallId("call_1")) != result_id(ToolCallId("call_2"))
