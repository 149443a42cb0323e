"""What must hold of a store after anything, checked from its own rows."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.tool_invariants import check_tools, open_calls_of
from tests.support.usage_invariants import check_usage

TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}
ACTIVE = {"RUNNING", "AWAITING_APPROVAL", "AWAITING_CLIENT_TOOLS"}

TABLES: Final = {
    "conversations": "SELECT * FROM conversations ORDER BY id",
    "runs": "SELECT * FROM runs ORDER BY id",
    "messages": "SELECT * FROM messages ORDER BY conversation_id, position, id",
    "branches": "SELECT * FROM branches ORDER BY conversation_id, number",
    "events": "SELECT * FROM run_events ORDER BY conversation_id, sequence",
    "files": "SELECT * FROM files ORDER BY id",
    "tool_calls": "SELECT * FROM tool_calls ORDER BY conversation_id, message_id, ordinal",
    "approvals": "SELECT * FROM approvals ORDER BY tool_call_id, number",
    "usage_calls": "SELECT * FROM usage_calls ORDER BY id",
    "usage_days": "SELECT * FROM usage_days",
    "spending": "SELECT * FROM spending",
    "deletions": "SELECT object AS conversation_id FROM audit WHERE act = 'conversation.delete'",
}
"""The queries that read what the invariants speak of, by the name of their rows in `Tables`."""

Row = Mapping[str, Any]
OF_NO_RUN = {"conversation_named", "conversation_compacted", "branch_activated"}
"""Events that may come when no run goes on."""

Rows = Sequence[Row]


@dataclass(frozen=True, slots=True)
class Tables:
    """Every row that the invariants speak of, at one moment."""

    conversations: Rows
    runs: Rows
    messages: Rows
    branches: Rows
    events: Rows
    files: Rows
    tool_calls: Rows
    approvals: Rows
    usage_calls: Rows = ()
    usage_days: Rows = ()
    spending: Rows = ()
    deletions: Rows = ()
    """Of whole conversations, from the audit."""

    def of(self, conversation_id: str) -> "Tables":
        """The rows of one conversation alone."""

        def own(rows: Rows) -> Rows:
            return [row for row in rows if row["conversation_id"] == conversation_id]

        named = [row for row in self.conversations if row["id"] == conversation_id]
        parts = (self.runs, self.messages, self.branches, self.events, self.files, self.tool_calls, self.approvals)
        return Tables(named, *map(own, parts))


def sqlite_tables(path: Path) -> Tables:
    """Read them from a file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")  # one moment for all tables
        return Tables(**{name: [dict(row) for row in connection.execute(query)] for name, query in TABLES.items()})


def check_invariants(path: Path, *, settled: bool = True) -> None:
    """Assert the invariants on a SQLite store; `settled`: every run must be over."""
    check_tables(sqlite_tables(path), settled=settled)


def check_tables(tables: Tables, *, settled: bool = True) -> None:
    """Assert the invariants on the rows of a store of any kind."""
    runs, messages, events = tables.runs, tables.messages, tables.events
    _check_runs(runs, settled=settled)
    _check_messages(messages, runs)
    _check_branches(tables)
    _check_histories(tables)
    check_usage(
        calls=tables.usage_calls,
        days=tables.usage_days,
        spending=tables.spending,
        runs=runs,
        messages=messages,
        has_deletions=bool(tables.deletions),
    )
    _check_logs(events, tables.conversations)
    _check_stories(events, runs)
    _check_texts(events, runs, messages)
    _check_images(messages, tables.files)
    check_tools(tables)


def _check_runs(runs: Rows, *, settled: bool) -> None:
    active: dict[str, int] = defaultdict(int)
    for run in runs:
        active[run["conversation_id"]] += run["state"] in ACTIVE
        assert not settled or run["state"] in TERMINAL, f"run {run['id']} is still {run['state']}"
        assert run["state"] == "RUNNING" or run["lease_worker"] is None, f"run {run['id']} kept its lease"
        assert (run["ended_at"] is not None) == (run["state"] in TERMINAL), f"run {run['id']} has a wrong end"
    assert all(count <= 1 for count in active.values()), "two active runs in one conversation"


def _check_messages(messages: Rows, runs: Rows) -> None:
    places: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        if message["position"] is not None:
            places[message["conversation_id"]].append(message["position"])
    for found in places.values():
        assert found == list(range(1, len(found) + 1)), "positions have gaps or repeats"
    questions = {message["id"]: message for message in messages}
    for run in runs:
        question = questions[run["user_message_id"]]
        has_begun = run["started_at"] is not None
        waits = {True: "COMPLETE", False: "QUEUED" if run["state"] == "QUEUED" else "CANCELLED"}
        place = question["position"] or question["branch_position"]
        assert (place is not None) == has_begun, f"run {run['id']}: its message is in the wrong place"
        assert question["status"] == waits[has_begun], f"run {run['id']}: its message is {question['status']}"


def _check_branches(tables: Tables) -> None:
    """Every message is in exactly one place, and every branch has all that it says."""
    for message in tables.messages:
        places = [message["position"], message["branch_position"]]
        waits = message["status"] in ("QUEUED", "CANCELLED")
        assert places.count(None) == (2 if waits else 1), f"message {message['id']} is in {places}"
        assert (message["branch"] is None) == (message["branch_position"] is None)
    for conversation in tables.conversations:
        own = tables.of(conversation["id"])
        histories = histories_of(own)
        active = histories[conversation["branch"]]
        assert [message["position"] for message in active] == list(range(1, conversation["last_position"] + 1))
        lengths = {branch["number"]: branch["length"] for branch in own.branches}
        lengths[conversation["branch"]] = conversation["last_position"]
        assert {number: len(found) for number, found in histories.items()} == lengths, "a branch lost messages"
        read = {message["id"] for history in histories.values() for message in history}
        placed = {m["id"] for m in own.messages if (m["position"] or m["branch_position"]) is not None}
        assert read == placed, "messages that are in no branch"


def histories_of(tables: Tables) -> dict[int, list[Row]]:
    """Every branch of one conversation, put together from nothing but its own and its parent's messages."""
    (conversation,) = tables.conversations
    parents = {branch["number"]: branch for branch in tables.branches} or {1: {"parent": None, "forked_at": 0}}
    written: dict[int, dict[int, Row]] = defaultdict(dict)
    for message in tables.messages:
        if message["branch"] is not None:
            written[message["branch"]][message["branch_position"]] = message
        elif message["position"] is not None:
            written[_home(parents, conversation["branch"], message["position"])][message["position"]] = message

    def history(number: int) -> list[Row]:
        branch = parents[number]
        inherited = [] if branch["parent"] is None else history(branch["parent"])[: branch["forked_at"]]
        assert len(inherited) == branch["forked_at"], f"branch {number} shares what its parent does not have"
        own = sorted(written[number].items())
        assert [place for place, _ in own] == list(range(len(inherited) + 1, len(inherited) + len(own) + 1))
        return inherited + [message for _, message in own]

    return {number: history(number) for number in parents}


def _home(branches: Mapping[int, Row], number: int, position: int) -> int:
    """The branch in which the message at a position of a branch's history was written."""
    while position <= branches[number]["forked_at"]:
        number = branches[number]["parent"]
    return number


def _check_histories(tables: Tables) -> None:
    """A provider would take every history: no answer before a question, every tool call with its result behind it; at
    the end only calls lack theirs that the ledger has as open."""
    for conversation in tables.conversations:
        own = tables.of(conversation["id"])
        for history in histories_of(own).values():
            open_calls: set[str] = set()
            asking: Row | None = None
            for place, message in enumerate(history):
                assert place or message["role"] in ("user", "system"), "a history begins with an answer"
                if message["role"] == "tool":
                    assert message["tool_call_id"] in open_calls, "a result of no call"
                    open_calls.remove(message["tool_call_id"])
                else:
                    assert not open_calls, "a tool call without its result"
                    open_calls = {call["id"] for call in json.loads(message["tool_calls"] or "[]")}
                    asking = message
            if asking is not None and asking["run_id"] is not None:
                assert open_calls == open_calls_of(own, asking), "a history waits for other results than the ledger"


def _check_logs(events: Rows, conversations: Rows) -> None:
    logs: dict[str, list[int]] = defaultdict(list)
    for event in events:
        logs[event["conversation_id"]].append(event["sequence"])
    for found in logs.values():
        assert found == list(range(1, len(found) + 1)), "a log has gaps or repeats"
    for conversation in conversations:
        assert conversation["last_sequence"] == len(logs[conversation["id"]]), "a log has another end than it says"


def _check_stories(events: Rows, runs: Rows) -> None:
    """Every run's own events: begun once, ended once and last, no epoch after a later one."""
    stories: dict[str, list[Row]] = defaultdict(list)
    for event in events:
        if event["run_id"] is not None:
            stories[event["run_id"]].append(event)
        else:
            assert event["kind"] in OF_NO_RUN, f"a {event['kind']} that belongs to no run"
    assert stories.keys() <= {run["id"] for run in runs}, "events of runs that are not there"
    for run in runs:
        kinds = [event["kind"] for event in stories[run["id"]]]
        is_over = run["state"] in TERMINAL
        assert kinds.count("run_ended") == is_over, f"run {run['id']} ended {kinds.count('run_ended')} times"
        assert not is_over or kinds[-1] == "run_ended", f"run {run['id']} went on after its end"
        assert kinds.count("run_started") == (run["started_at"] is not None), f"run {run['id']} began otherwise"
        epochs = [event["epoch"] or 0 for event in stories[run["id"]]]
        assert epochs == sorted(epochs), f"run {run['id']}: an older attempt spoke after a newer one"
        assert max(epochs, default=0) <= run["epoch"], f"run {run['id']}: an attempt that was never claimed spoke"


def _check_images(messages: Rows, files: Rows) -> None:
    """Every image that is shown has its file, every file is shown."""
    shown = [json.loads(message["image"])["file_id"] for message in messages if message["image"]]
    assert sorted(shown) == sorted(file["id"] for file in files), "images and files do not match"


def _check_texts(events: Rows, runs: Rows, messages: Rows) -> None:
    """Every answer is what the attempt that wrote it said, in the log and in the history alike; the one that ends its
    run is the last attempt's."""
    said: dict[tuple[str, int, str, str], str] = defaultdict(str)
    started: set[tuple[str, int, str]] = set()
    completed: dict[str, Any] = {}
    written_in: dict[str, int] = {}
    for event in events:
        payload = json.loads(event["payload"])
        match event["kind"]:
            case "text_delta" | "reasoning_delta":
                said[event["run_id"], event["epoch"], event["kind"], payload["message_id"]] += payload["text"]
            case "message_started":
                started.add((event["run_id"], event["epoch"], payload["message_id"]))
            case "message_completed":
                assert payload["message"]["id"] not in completed, "a message was completed twice"
                completed[payload["message"]["id"]] = payload["message"]
                written_in[payload["message"]["id"]] = event["epoch"]
    epochs = {run["id"]: run["epoch"] for run in runs}
    by_runs = [message for message in messages if message["role"] != "user" and message["run_id"] is not None]
    assert completed.keys() == {each["id"] for each in by_runs}, "the log completes other messages than there are"
    for message in by_runs:
        assert completed[message["id"]]["content"] == message["content"], "the log tells another message"
    for answer in (message for message in by_runs if message["role"] == "assistant"):
        attempt, name = (answer["run_id"], written_in[answer["id"]]), answer["id"]
        assert answer["tool_calls"] or attempt[1] == epochs[answer["run_id"]], "a run went on behind its answer"
        assert (*attempt, name) in started, "an answer was never announced"
        assert answer["content"] == said[*attempt, "text_delta", name], "a stored answer is not its deltas joined"
        assert (answer["reasoning"] or "") == said[*attempt, "reasoning_delta", name], "its reasoning is not"
