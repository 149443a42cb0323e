"""What must hold of a store after anything, checked from its own rows."""

import json
import sqlite3
from collections import defaultdict
from pathlib import Path

TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
ACTIVE = {"RUNNING", "AWAITING_APPROVAL", "AWAITING_CLIENT_TOOLS"}


def check_invariants(path: Path, *, settled: bool = True) -> None:
    """Assert the invariants on a SQLite store; `settled`: every run must be over."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        runs = connection.execute("SELECT * FROM runs").fetchall()
        messages = connection.execute("SELECT * FROM messages ORDER BY conversation_id, position").fetchall()
        events = connection.execute("SELECT * FROM run_events ORDER BY conversation_id, sequence").fetchall()
    finally:
        connection.close()
    _check_runs(runs, settled=settled)
    _check_messages(messages, runs)
    _check_events(events, runs, messages)


def _check_runs(runs: list[sqlite3.Row], *, settled: bool) -> None:
    active: dict[str, int] = defaultdict(int)
    for run in runs:
        active[run["conversation_id"]] += run["state"] in ACTIVE
        assert not settled or run["state"] in TERMINAL, f"run {run['id']} is still {run['state']}"
    assert all(count <= 1 for count in active.values()), "two active runs in one conversation"


def _check_messages(messages: list[sqlite3.Row], runs: list[sqlite3.Row]) -> None:
    places: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message["position"] is not None:
            places[message["conversation_id"]].append(message["position"])
    for found in places.values():
        assert found == list(range(1, len(found) + 1)), "positions have gaps or repeats"
    identities = {message["id"] for message in messages}
    assert all(run["user_message_id"] in identities for run in runs), "a run lost its message"
    answers: dict[str, int] = defaultdict(int)
    for message in messages:
        answers[message["run_id"]] += message["role"] == "assistant"
    assert all(count <= 1 for count in answers.values()), "a run answered twice"


def _check_events(events: list[sqlite3.Row], runs: list[sqlite3.Row], messages: list[sqlite3.Row]) -> None:
    logs: dict[str, list[int]] = defaultdict(list)
    ends: dict[str, int] = defaultdict(int)
    texts: dict[tuple[str, int], str] = defaultdict(str)
    for event in events:
        logs[event["conversation_id"]].append(event["sequence"])
        if event["kind"] == "run_ended":
            ends[event["run_id"]] += 1
        if event["kind"] == "text_delta":
            texts[event["run_id"], event["epoch"]] += json.loads(event["payload"])["text"]
    for found in logs.values():
        assert found == list(range(1, len(found) + 1)), "a log has gaps or repeats"
    for run in runs:
        assert ends[run["id"]] == (run["state"] in TERMINAL), f"run {run['id']} ended {ends[run['id']]} times"
    epochs = {run["id"]: run["epoch"] for run in runs}
    for message in messages:
        if message["role"] == "assistant" and message["run_id"] is not None:
            said = texts[message["run_id"], epochs[message["run_id"]]]
            assert message["content"] == said, "a stored answer is not its deltas joined"
