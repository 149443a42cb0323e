"""The same service on PostgreSQL: another URL, nothing else."""

import time
from pathlib import Path

import pytest

from tests.e2e.service import echo, parley, running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_RECOVERY_SECONDS = 40


def test_an_acknowledged_message_survives_a_kill_and_is_answered(data: Path, tmp_path: Path, url: str) -> None:
    # Others may work on the database, so a killed server's lease must lapse: short here, so that the test is.
    env = {"PARLEY_DATABASE": url, "PARLEY_LEASE_SECONDS": "1", "PARLEY_LEASE_HEARTBEAT_SECONDS": "0.3"}
    made = parley("keys", "create", "--data", data, "--database", url, "--user", "anna")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    with running(data, *echo(tmp_path, word_delay=1), env=env) as first, first.client(key) as client:
        body = {"conversation_key": "k", "user_message": {"role": "user", "content": "hello"}}
        client.post(f"{_GATEWAY}/create-thread", json={"name": "n", "conversation_key": "k"}).raise_for_status()
        client.post(f"{_GATEWAY}/send-message", json=body).raise_for_status()
        first.process.kill()
        first.process.wait()
    assert not (data / "parley.db").exists()

    with running(data, *echo(tmp_path, word_delay=0.001), env=env) as second, second.client(key) as client:
        deadline = time.monotonic() + _RECOVERY_SECONDS
        asked = {"conversation_key": "k"}
        while (state := client.post(f"{_GATEWAY}/conversation-state", json=asked).json())["status"] != "IDLE":
            assert time.monotonic() < deadline, state
        assert [message["status"] for message in state["messages"]] == ["COMPLETE", "COMPLETE"]
        assert state["messages"][1]["content"].startswith("You said: hello\n")
        assert second.stop() == 0
        assert "Traceback" not in second.output


def test_a_database_that_does_not_answer_is_a_sentence(data: Path) -> None:
    url = "postgresql://anna:hidden@127.0.0.1:1/parley"
    refused = parley("serve", "--data", data, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--database", url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("parley: The database cannot be opened")
    assert "hidden" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
