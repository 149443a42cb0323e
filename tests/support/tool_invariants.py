"""What must hold of runs that use tools: the ledger, the approvals, the log and the history tell one story."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.support.invariants import Row, Rows, Tables

AWAITED: Final = {"AWAITING_APPROVAL", "AWAITING_CLIENT"}
OPEN: Final = AWAITED | {"READY", "RUNNING"}
DECIDED: Final = {"APPROVED", "DENIED", "USED"}
"""Approvals that a person has decided."""
TERMINAL: Final = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
PARKED: Final = {"AWAITING_APPROVAL", "AWAITING_CLIENT_TOOLS"}
OF_THE_PARKED: Final = {
    "run_paused",
    "tool_call_decided",
    "tool_call_ended",
    "message_completed",
    "approval_expiring",
    "run_ended",
}
"""What may be told of a run that waits."""


def check_tools(tables: "Tables") -> None:
    """Assert them on the rows of a store."""
    _check_rounds(tables.runs, tables.messages)
    _check_calls(tables)
    _check_results(tables)
    _check_waits(tables)
    _check_approvals(tables)
    _check_story(tables)
    _check_pauses(tables)


def _check_rounds(runs: "Rows", messages: "Rows") -> None:
    """A run has one answer at most, and before it as many that ask for tools as it has had rounds."""
    spoken = [message for message in messages if message["role"] == "assistant" and message["run_id"] is not None]
    asking = Counter(message["run_id"] for message in spoken if message["tool_calls"])
    answers = Counter(message["run_id"] for message in spoken if not message["tool_calls"])
    for run in runs:
        assert answers[run["id"]] <= 1, f"run {run['id']} answered twice"
        assert asking[run["id"]] == run["rounds"], f"run {run['id']} counts {run['rounds']} rounds"
        assert 0 <= run["settled_epoch"] <= max(0, run["epoch"] - 1), f"run {run['id']} has settled too much"


def _check_calls(tables: "Tables") -> None:
    """The ledger has what the messages of runs ask for, in their order, and nothing else."""
    states = {run["id"]: run["state"] for run in tables.runs}
    asked = {
        (message["run_id"], message["id"], ordinal): (call["id"], call["name"], call["arguments"])
        for message in tables.messages
        if message["run_id"] is not None
        for ordinal, call in enumerate(_calls_of(message))
    }
    found = {
        (call["run_id"], call["message_id"], call["ordinal"]): (call["id"], call["name"], call["arguments"])
        for call in tables.tool_calls
    }
    assert found == asked, "ledger and messages do not match"
    for call in tables.tool_calls:
        is_open = call["state"] in OPEN
        assert (call["ended_at"] is None) == is_open, f"call {call['id']} has a wrong end"
        assert not is_open or states[call["run_id"]] not in TERMINAL, f"call {call['id']} outlived its run"
        assert (call["expires_at"] is not None) or call["state"] not in AWAITED, f"call {call['id']} waits for ever"
        assert call["repeatable"] or call["intents"] <= 1, f"call {call['id']} may have been made twice"
        assert (call["intent_epoch"] is not None) == (call["intents"] > 0), f"call {call['id']} lost its intent"
        assert call["state"] not in ("RUNNING", "UNKNOWN") or call["intents"], f"call {call['id']} has no intent"
        was_made = call["server"] is not None and call["state"] == "SUCCEEDED"
        assert call["intents"] or not was_made, f"call {call['id']} succeeded without an intent"


def _check_results(tables: "Tables") -> None:
    """A call has one result once it is over, in the history of its conversation, and none before."""
    results = Counter(
        (message["conversation_id"], message["tool_call_id"])
        for message in tables.messages
        if message["role"] == "tool" and message["run_id"] is not None
    )
    expected = {(call["conversation_id"], call["id"]): 1 for call in tables.tool_calls if call["state"] not in OPEN}
    assert results == expected, "results and calls that are over do not match"


def _check_waits(tables: "Tables") -> None:
    """A parked run has something to wait for, and nothing to do; only a running one calls tools."""
    for run in tables.runs:
        found = {call["state"] for call in tables.tool_calls if call["run_id"] == run["id"]} & OPEN
        if run["state"] in PARKED:
            assert found, f"run {run['id']} waits for nothing"
            assert found <= AWAITED, f"run {run['id']} waits beside {found}"
            needs_person = "AWAITING_APPROVAL" in found
            assert needs_person == (run["state"] == "AWAITING_APPROVAL"), f"run {run['id']} waits for something else"


def _check_approvals(tables: "Tables") -> None:
    """Whoever is asked is asked of what would be done, once, and while that can be done still."""
    calls = {call["id"]: call for call in tables.tool_calls}
    pending: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for approval in tables.approvals:
        call, name = calls[approval["tool_call_id"]], f"approval {approval['id']}"
        assert (approval["run_id"], approval["epoch"]) == (call["run_id"], call["epoch"]), f"{name} is of another run"
        assert (approval["decided_at"] is None) == (approval["state"] == "PENDING"), f"{name} has a wrong end"
        assert approval["decided_by"] is not None or approval["state"] not in DECIDED, f"{name}: nobody decided"
        if approval["state"] == "PENDING":
            pending[call["id"]] += 1
            assert approval["definition_digest"] == call["definition_digest"], f"{name} shows another tool"
        assert approval["state"] != "APPROVED" or call["state"] == "READY", f"{name} was not used up"
        used[call["id"]] += approval["state"] == "USED"
    waiting = {call["id"]: 1 for call in tables.tool_calls if call["state"] == "AWAITING_APPROVAL"}
    assert pending == waiting, "calls that wait for approval and requests for it do not match"
    for call_id, times in used.items():
        assert times <= calls[call_id]["intents"], f"call {call_id}: an approval was used up without a call"


def _check_story(tables: "Tables") -> None:
    """The log tells of every call: that it was asked for, each intent, and its end, the last of it."""
    told: dict[str, list[Any]] = {}
    for event in tables.events:
        if event["kind"].startswith("tool_call_"):
            payload = json.loads(event["payload"])
            told.setdefault(payload["call_id"], []).append((event["kind"], payload, event["run_id"]))
    calls = {call["id"]: call for call in tables.tool_calls}
    assert told.keys() == calls.keys(), "the log tells of other calls than there are"
    for call_id, story in told.items():
        call, kinds = calls[call_id], [kind for kind, _, _ in story]
        assert {run_id for *_, run_id in story} == {call["run_id"]}, f"call {call_id} is told of by another run"
        assert kinds[0] == "tool_call_requested", f"call {call_id} began with {kinds[0]}"
        assert kinds.count("tool_call_started") == call["intents"], f"call {call_id} was begun otherwise"
        assert kinds.count("tool_call_ended") == (call["state"] not in OPEN), f"call {call_id} ended otherwise"
        if call["state"] not in OPEN:
            kind, payload, _ = story[-1]
            assert (kind, payload["state"]) == ("tool_call_ended", call["state"]), f"call {call_id} ended otherwise"


def _check_pauses(tables: "Tables") -> None:
    """A run that waits does nothing, as the log has it, until it goes on or ends; it waits in the log while it does in
    its row."""
    paused: dict[str, bool] = {run["id"]: False for run in tables.runs}
    for event in tables.events:
        run_id, kind = event["run_id"], event["kind"]
        if run_id is None:
            continue
        if kind == "run_resumed":
            assert paused[run_id], f"run {run_id} went on without a pause"
        elif paused[run_id]:
            assert kind in OF_THE_PARKED, f"run {run_id} worked while it waited: {kind}"
        paused[run_id] = kind == "run_paused" or (paused[run_id] and kind not in ("run_resumed", "run_ended"))
    for run in tables.runs:
        assert paused[run["id"]] == (run["state"] in PARKED), f"run {run['id']} waits otherwise than the log says"


def _calls_of(message: "Row") -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = json.loads(message["tool_calls"] or "[]")
    return calls


def open_calls_of(tables: "Tables", message: "Row") -> set[str]:
    """The calls that a message of a run asks for and that have no result yet, as the ledger has it."""
    return {call["id"] for call in tables.tool_calls if call["message_id"] == message["id"] and call["state"] in OPEN}
