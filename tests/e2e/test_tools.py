"""A tool that never answers holds up neither the end of its service nor the conversation, and is called once."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.service import Service, running
from tests.support.mcp.actions import execute, hang
from tests.support.mcp.scripted import ScriptedMcp

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_PATIENCE_SECONDS = 60


@pytest.fixture
def bank(tmp_path: Path) -> ScriptedMcp:
    """A server whose one tool takes effect and says nothing."""
    mcp = ScriptedMcp(tmp_path / "mcp")
    mcp.tool("pay", execute(), hang())
    return mcp


def post(client: httpx.Client, route: str, **body: Any) -> Any:
    return client.post(f"{_GATEWAY}/{route}", json={"conversation_key": "k", **body}).raise_for_status().json()


def until(fact: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process is there and is not a zombie of somebody who does not ask."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pay(client: httpx.Client, bank: ScriptedMcp) -> None:
    """Have the model call the tool, and wait until that is done."""
    post(client, "create-thread", name="n")
    post(client, "update-settings", settings={"mcp_servers": {"names": ["bank"]}})
    post(client, "send-message", user_message={"role": "user", "content": "/call bank__pay {}"})
    until(bank.calls)


def settings(folder: Path, bank: ScriptedMcp) -> tuple[str, str]:
    file = folder / "parley.toml"
    file.write_text(bank.toml("bank", policy='"AUTO"'))
    return ("--config", str(file))


def check_ended(service: Service, bank: ScriptedMcp) -> None:
    """The run has gone on, its model knows that the outcome is not known, and nobody has called again."""
    with service.client() as client:
        until(lambda: post(client, "conversation-state")["status"] == "IDLE")
        messages = post(client, "conversation-state")["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "assistant"]
    assert "unknown" in messages[2]["content"]
    assert messages[3]["status"] == "COMPLETE"
    assert len(bank.calls()) == 1


def test_a_stop_waits_for_a_hanging_tool_no_longer_than_the_grace(
    data: Path, tmp_path: Path, bank: ScriptedMcp
) -> None:
    flags = settings(tmp_path, bank)
    with running(data, *flags, env={"PARLEY_GRACE_SECONDS": "0.5"}) as first:
        with first.client() as client:
            pay(client, bank)
        assert first.stop(signal.SIGTERM) == 0
        assert "Traceback" not in first.output
    (call,) = bank.calls()
    until(lambda: not is_alive(call.pid))
    with running(data, *flags) as second:
        check_ended(second, bank)


def test_what_a_killed_service_was_calling_is_not_called_again_and_its_tool_server_ends(
    data: Path, tmp_path: Path, bank: ScriptedMcp
) -> None:
    flags = settings(tmp_path, bank)
    with running(data, *flags) as first:
        with first.client() as client:
            pay(client, bank)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    (call,) = bank.calls()
    until(lambda: not is_alive(call.pid))
    with running(data, *flags) as second:
        check_ended(second, bank)
