"""What is acknowledged survives a SIGKILL, and what was begun is finished by the next start."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.service import echo, running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_RECOVERY_SECONDS = 40
_CREATE: Any = {
    "url": f"{_GATEWAY}/create-thread",
    "json": {"name": "n", "conversation_key": "k"},
    "headers": {"idempotency-key": "made-once"},
}


def send(client: httpx.Client, text: str, **fields: str) -> Any:
    body = {"conversation_key": "k", "user_message": {"role": "user", "content": text}, **fields}
    return client.post(f"{_GATEWAY}/send-message", json=body).raise_for_status().json()


def state(client: httpx.Client) -> Any:
    return client.post(f"{_GATEWAY}/conversation-state", json={"conversation_key": "k"}).raise_for_status().json()


def idle_state(client: httpx.Client) -> Any:
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while (found := state(client))["status"] != "IDLE":
        assert time.monotonic() < deadline, found
    return found


def test_an_acknowledged_message_survives_a_kill_and_is_answered(data: Path, tmp_path: Path) -> None:
    with running(data, *echo(tmp_path, word_delay=1)) as first, first.client() as client:
        created = client.post(**_CREATE).raise_for_status()
        sent = send(client, "first", request_id="once")
        queued = send(client, "and then")
        first.process.kill()
        first.process.wait()
    assert queued["status"] == "QUEUED"

    with running(data, *echo(tmp_path, word_delay=0.001)) as second, second.client() as client:
        # Sent again by a client that never heard the answers: the same thread, the same run, not another message.
        assert client.post(**_CREATE).content == created.content
        assert send(client, "first", request_id="once")["runId"] == sent["runId"]
        found = idle_state(client)
        said = [(message["role"], message["status"]) for message in found["messages"]]
        assert said == [("user", "COMPLETE"), ("assistant", "COMPLETE")] * 2
        contents = [message["content"] for message in found["messages"]]
        assert contents[0] == "first"
        assert contents[1].startswith("You said: first\n")
        assert contents[2] == "and then"
        assert contents[3].startswith("You said: and then\n")
        for run_id in (sent["runId"], queued["runId"]):
            run = client.post(f"{_GATEWAY}/get-run", json={"run_id": run_id}).json()
            assert run["status"] == "COMPLETED"


def test_a_stop_lets_the_running_answer_finish(data: Path) -> None:
    with running(data) as first, first.client() as client:
        client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "k"}).raise_for_status()
        send(client, "a few words")
        assert first.stop() == 0
    with running(data) as second, second.client() as client:
        found = state(client)
        assert found["status"] == "IDLE"
        assert [message["status"] for message in found["messages"]] == ["COMPLETE", "COMPLETE"]


def test_a_stop_hands_back_what_takes_longer_than_the_grace(data: Path, tmp_path: Path) -> None:
    slow = echo(tmp_path, word_delay=1)
    with running(data, *slow, env={"PARLEY_GRACE_SECONDS": "0.1"}) as first, first.client() as client:
        client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "k"}).raise_for_status()
        send(client, "first")
        assert first.stop() == 0
        assert "Traceback" not in first.output
    with running(data, *echo(tmp_path, word_delay=0.001)) as second, second.client() as client:
        found = idle_state(client)
        assert [message["status"] for message in found["messages"]] == ["COMPLETE", "COMPLETE"]
