"""Images outlive what happens to real processes: a kill at every step, a restart, a second process on the database."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.adapters.provider.echo_image import pattern
from tests.e2e.service import parley, running

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

_GATEWAY = "/api/v1/llm/gateway"
_DOWNLOAD = "/api/v1/storage/gateway/download-file"
_TALK = {"conversation_key": "k"}
_ASK: Any = {**_TALK, "user_message": {"role": "user", "content": "a dot"}, "image": True}
_RECOVERY_SECONDS = 60


def ask(client: httpx.Client) -> None:
    """Make the thread and ask for an image; a server that is killed meanwhile may owe its answer."""
    client.post(f"{_GATEWAY}/create-thread", json=_TALK).raise_for_status()
    try:
        client.post(f"{_GATEWAY}/send-message", json=_ASK)
    except httpx.TransportError:
        return


def settled(client: httpx.Client) -> list[Any]:
    """The messages, once nothing is under way."""
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while True:
        state = client.post(f"{_GATEWAY}/conversation-state", json=_TALK).raise_for_status().json()
        if state["status"] == "IDLE":
            messages: list[Any] = state["messages"]
            return messages
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def download(client: httpx.Client, messages: list[Any]) -> httpx.Response:
    """The one image of a question and its answer."""
    assert [(message["role"], message["status"]) for message in messages] == [
        ("user", "COMPLETE"),
        ("assistant", "COMPLETE"),
    ]
    return client.post(_DOWNLOAD, json={"file_id": messages[1]["image"]["fileId"]})


def contents(folder: Path) -> list[Path]:
    """All that is kept below a directory."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("step", ["image.drawn", "image.kept", "run.ending"])
def test_an_image_survives_a_kill_at_every_step(data: Path, step: str) -> None:
    with running(data, env={"FAILPOINTS": f"{step}=kill"}) as first, first.client() as client:
        ask(client)
        first.process.wait(timeout=_RECOVERY_SECONDS)
        assert f"failpoint {step}: kill" in first.output
    with running(data) as second, second.client() as client:
        reply = download(client, settled(client))
        assert (reply.status_code, reply.content) == (200, pattern("a dot"))
        # What the killed attempt had kept already is an orphan; the sweep takes it when it is old enough.
        assert len(contents(data / "files")) == (1 if step == "image.drawn" else 2)
        assert second.stop() == 0
        assert "Traceback" not in second.output
    with running(data) as third, third.client() as client:
        assert download(client, settled(client)).content == pattern("a dot")
        client.post(f"{_GATEWAY}/delete-thread", json=_TALK).raise_for_status()
        assert len(contents(data / "files")) == (0 if step == "image.drawn" else 1)


def test_processes_on_one_database_share_their_files(tmp_path: Path, url: str) -> None:
    files = tmp_path / "shared"
    env = {
        "PARLEY_DATABASE": url,
        "PARLEY_FILES": str(files),
        "PARLEY_KEY_PEPPER": "a pepper of enough characters",
        "PARLEY_LEASE_SECONDS": "1",
        "PARLEY_LEASE_HEARTBEAT_SECONDS": "0.3",
    }
    made = parley("keys", "create", "--data", tmp_path / "one", "--database", url, "--user", "anna", env=env)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    with running(tmp_path / "two", env=env) as other, other.client(key) as elsewhere:
        with running(tmp_path / "one", env={**env, "FAILPOINTS": "image.kept=kill"}) as first:
            with first.client(key) as client:
                ask(client)
            first.process.wait(timeout=_RECOVERY_SECONDS)
        messages = settled(elsewhere)
        assert download(elsewhere, messages).content == pattern("a dot")
        with running(tmp_path / "one", env=env) as again, again.client(key) as client:
            assert download(client, messages).content == pattern("a dot")
            client.post(f"{_GATEWAY}/delete-thread", json=_TALK).raise_for_status()
        assert download(elsewhere, messages).status_code == 404
    # The orphan, in the folder of the database.
    assert [path.parent.parent.name for path in contents(files)] == [f"postgresql-{url.rpartition('/')[2]}"]
