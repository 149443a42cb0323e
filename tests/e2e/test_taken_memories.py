"""Memories that a killed process was taking are taken by the next one, and none of them twice."""

import asyncio
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from server.application.extraction import INSTRUCTIONS
from tests.e2e.service import running
from tests.support.upstream import RecordedRequest, Script, ScriptedUpstream, answer

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(240)

_GATEWAY: Final = "/api/v1/llm/gateway"
_TALK: Final = {"conversation_key": "k"}
_FACTS: Final = ["She drinks green tea.", "Bruno is a dog of hers."]
_SECONDS: Final = 60


def _say(request: RecordedRequest) -> Script:
    is_asked = request.body["messages"][0]["content"] == INSTRUCTIONS
    return answer(json.dumps(_FACTS) if is_asked else "I see.")


def _send(client: httpx.Client) -> None:
    """Have something said in a thread that wants memories taken; a process that is killed may owe its reply."""
    client.post(f"{_GATEWAY}/create-thread", json=_TALK).raise_for_status()
    settings = {**_TALK, "settings": {"memory": {"extract": True}}}
    client.post(f"{_GATEWAY}/update-settings", json=settings).raise_for_status()
    message = {**_TALK, "user_message": {"role": "user", "content": "I drink green tea with Bruno, my dog."}}
    try:
        client.post(f"{_GATEWAY}/send-message", json=message)
    except httpx.TransportError:
        return


def _memories(client: httpx.Client) -> list[str]:
    found: Any = client.post(f"{_GATEWAY}/list-memories", json={}).raise_for_status().json()
    return sorted(memory["memory"] for memory in found["memories"])


def _killed_at(step: str, data: Path, configured: dict[str, str]) -> None:
    with running(data, env={**configured, "FAILPOINTS": f"{step}=kill"}) as first, first.client() as client:
        _send(client)
        first.process.wait(timeout=_SECONDS)
        assert f"failpoint {step}: kill" in first.output


def _taken(data: Path, configured: dict[str, str]) -> list[str]:
    """What the next process has stored by its end."""
    deadline = time.monotonic() + _SECONDS
    with running(data, env=configured) as second, second.client() as client:
        while len(_memories(client)) < len(_FACTS):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert second.stop() == 0
        assert "Traceback" not in second.output
    with closing(sqlite3.connect(data / "parley.db")) as connection:
        return sorted(text for (text,) in connection.execute("SELECT text FROM memories"))


@pytest.mark.parametrize(("step", "asked"), [("extraction.keeping", 3), ("extraction.remembered", 2)])
async def test_memories_survive_a_kill(data: Path, step: str, asked: int) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.chooses = _say
        configured = {"PARLEY_OPENAI_BASE_URL": upstream.base_url, "PARLEY_DEFAULT_MODEL": "m"}
        await asyncio.to_thread(_killed_at, step, data, configured)
        assert await asyncio.to_thread(_taken, data, configured) == sorted(_FACTS)
        assert len(upstream.requests) == asked
