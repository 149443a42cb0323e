"""The manual's examples, run as they stand but for the addresses."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.service import Service, environment
from tests.support.manual import manual

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_SECONDS = 40


def example(heading: str, language: str) -> str:
    """The first example in a language below a heading."""
    section = manual().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture
def home(service: Service, tmp_path: Path) -> Path:
    """A directory in which the service's data is where the README has it."""
    (tmp_path / ".parley").symlink_to(service.data)
    return tmp_path


def run(command: list[str], home: Path) -> str:
    done = subprocess.run(
        command, cwd=home, env=environment(), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_quickstart_and_the_stubs(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = example("Quickstart", "sh").replace("127.0.0.1:8080", service.addresses["http"])
    script = script.replace("curl ", "curl --silent --noproxy '*' ")
    shown = run(["/bin/sh", "-ec", script], home)
    assert '"conversationKey":"first"' in shown
    assert "event: text_delta" in shown
    assert "event: run_ended" in shown
    # The last two replies: of send-message, of conversation-state.
    state = json.loads(shown[shown.index('{"id":', shown.rindex('{"runId":')) :])
    said = [message["content"] for message in [*state["messages"], *state["queuedMessages"]]]
    assert {"What can you help me with?", "And what else?"} <= set(said)

    program = example("From Python", "python").replace("127.0.0.1:50051", service.grpc)
    assert "You said: Hello" in run([sys.executable, "-W", "error", "-c", program], home)


def test_files(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    setting = example("Quickstart", "sh").partition("\n#")[0]
    script = f"{setting}\n{example('Storage', 'sh')}".replace("127.0.0.1:8080", service.addresses["http"])
    shown = run(["/bin/sh", "-ec", script.replace("curl ", "curl --silent --noproxy '*' ")], home)
    assert shown.count('"name":"notes.txt"') == shown.count('"name":"large.bin"') == 2
    kept = 5_000_000 + len(b"Remember the milk.\n")
    assert f'"bytesUsed":"{kept}"' in shown
    script = f"{setting}\n{example('Files for the model', 'sh')}".replace("127.0.0.1:8080", service.addresses["http"])
    shown = run(["/bin/sh", "-ec", script.replace("curl ", "curl --silent --noproxy '*' ")], home)
    assert '"attachments":[{"fileId":"' in shown
    deltas = re.findall(r'"textDelta":\{[^}]*"text":("(?:[^"\\]|\\.)*")', shown)
    answer = "".join(json.loads(delta) for delta in deltas)
    assert 'Attached: "dot.png" (image/png), 68 bytes, shown: whole.' in answer


def test_tools_that_wait(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    setting = example("Quickstart", "sh").partition("\n#")[0]
    script = f"{setting}\n{example('Tools that wait', 'sh')}".replace("127.0.0.1:8080", service.addresses["http"])
    script = script.replace("curl ", "curl --silent --noproxy '*' ")
    asking, mark, answering = script.partition('# "status":"AWAITING_CLIENT_TOOLS"')
    run(["/bin/sh", "-ec", asking], home)
    deadline = time.monotonic() + _SECONDS
    with service.client() as client:
        while (state := _state(client, "tools"))["status"] != "AWAITING_CLIENT_TOOLS":
            assert time.monotonic() < deadline, state
    call = state["pendingClientToolCalls"][0]["toolCallId"]
    rest = f"{setting}\n{mark}{answering}".replace("127.0.0.1:8080", service.addresses["http"])
    told = run(["/bin/sh", "-ec", rest.replace("CALL_ID", call)], home)
    assert f'"pendingClientToolCalls":[{{"toolCallId":"{call}"' in told
    assert f'"outcomes":[{{"toolCallId":"{call}","state":"SUCCEEDED"}}]' in told


def _state(client: httpx.Client, key: str) -> Any:
    reply = client.post("/api/v1/llm/gateway/conversation-state", json={"conversation_key": key})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_long_conversations(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    setting = example("Quickstart", "sh").partition("\n#")[0]
    begun = f"{setting}\n{example('Long conversations', 'sh')}".replace('"first"', '"long"')
    begun = begun.replace("127.0.0.1:8080", service.addresses["http"])
    begun = begun.replace("curl ", "curl --silent --noproxy '*' ")
    with service.client() as client:
        assert client.post("/api/v1/llm/gateway/create-thread", json={"conversation_key": "long"}).status_code == 200
        first = _generate(client, "long", "Hello, there is much to tell, and it began a long time ago in a far land.")
        shown = run(["/bin/sh", "-ec", begun.replace("RUN_ID", first)], home)
        # Offline the summary is made of the first words of each message.
        assert '"compacted":true' in shown
        assert "User: Hello, there is much to tell" in shown
        assert '"strategy":"SUMMARIZE","maxHistoryMessages":50' in shown
        assert '"role":"user","content":"Hello, there is much to tell' in shown
        (made,) = _state(client, "long")["compactionHistory"]
        assert (made["messagesSummarized"], made["cause"]) == (2, "ON_DEMAND")


def _generate(client: httpx.Client, key: str, content: str) -> str:
    """Send a message and wait for its answer; returns the run."""
    body = {"conversation_key": key, "user_message": {"content": content}}
    reply = client.post("/api/v1/llm/gateway/generate", json=body)
    found = re.search(r"run_[0-9a-f]{32}", reply.text)
    assert found, reply.text
    return found[0]


def test_the_conversations_api(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = example("The conversations API", "sh").replace("127.0.0.1:8080", service.addresses["http"])
    shown = run(["/bin/sh", "-ec", script.replace("curl ", "curl --silent --noproxy '*' ")], home)
    assert "event: start" in shown
    assert "event: end" in shown
    messages = json.loads(shown[shown.index('{"messages":') :])["messages"]
    assert messages[0]["content"] == "Can you explain how vector databases work?"
    assert messages[1]["content"].startswith("You said: ")


def test_the_archive_api(service: Service, home: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = example("The archive API", "sh").replace("127.0.0.1:8080", service.addresses["http"])
    script = script.replace(".venv/bin/parley ", f"{sys.executable} -m server ")
    shown = run(["/bin/sh", "-ec", script.replace("curl ", "curl --silent --noproxy '*' ")], home)
    said, _, found = shown.partition("}[")
    assert json.loads(said + "}")["role"] == "assistant"
    conversations = json.loads("[" + found)
    assert conversations[0]["name"] == "How do I write a function…"
    assert [message["role"] for message in conversations[0]["messages"]] == ["user", "assistant"]
