"""The chat API of a real process: the manual's example, titles without a model, a stream that outlives a kill."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import sse
from tests.e2e.service import Service, echo, running
from tests.e2e.test_readme import example, run

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_STREAM: Any = {"method": "POST", "url": "/chat/prompt/stream", "json": {"message": "How do I feed a parrot at home?"}}
_PIECES = 3


def test_the_example_of_the_readme_answers(service: Service, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (tmp_path / ".parley").symlink_to(service.data)
    script = example("The chat API", "sh").replace("127.0.0.1:8080", service.addresses["http"])
    shown = run(["/bin/sh", "-ec", script.replace("curl ", "curl --silent --noproxy '*' ")], tmp_path)
    answered = json.loads(shown)
    assert answered.keys() == {"answer", "chat_id"}
    assert answered["answer"].startswith("You said: What can you help me with?")


def test_a_stream_goes_on_where_a_killed_server_left_it(data: Path, tmp_path: Path) -> None:
    with running(data, *echo(tmp_path, word_delay=0.2)) as first, first.client() as client:
        before = _until_killed(first, client)
    with running(data, *echo(tmp_path, word_delay=0.001)) as second, second.client() as client:
        with client.stream(**_STREAM, headers={"last-event-id": before[-1].id}) as reply:
            assert reply.status_code == 200, reply.read()
            after = list(sse.read(reply))
        listed = client.get("/chat/").raise_for_status().json()["chats"]
        read = client.get(f"/chat/messages/{listed[0]['id']}").raise_for_status().json()
    assert after[-1].name == "complete"
    shown = "".join(event.data["chunk"] for event in [*before, *after] if event.name == "final_answer")
    assert after[-1].data == {"answer": shown, "chat_id": listed[0]["id"]}
    assert shown.startswith("You said: How do I feed a parrot at home?")
    # One chat, one message, one answer, and the title that was made of the first words.
    assert [(message["role"], message["content"]) for message in read["messages"]] == [
        ("user", "How do I feed a parrot at home?"),
        ("assistant", shown),
    ]
    assert [chat["title"] for chat in listed] == ["How do I feed a parrot…"]
    assert sum(event.name == "title" for event in [*before, *after]) == 1


def _until_killed(service: Service, client: httpx.Client) -> list[sse.ServerSentEvent]:
    """What a stream showed until its server was killed: some pieces of the answer, and the title."""
    seen: list[sse.ServerSentEvent] = []
    with client.stream(**_STREAM) as reply:
        assert reply.status_code == 200, reply.read()
        for event in sse.read(reply):
            seen.append(event)
            names = [each.name for each in seen]
            if names.count("final_answer") >= _PIECES and "title" in names:
                service.process.kill()
                service.process.wait()
                return seen
    raise AssertionError("the answer was over before the server could be killed")
