"""`parley chat`: one message in a pipe, a conversation at a terminal, and what may go wrong."""

import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.service import PARLEY, Service, echo, parley, running
from tests.e2e.terminal import CTRL_C, CTRL_D, terminal

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_PROMPT = "you >"


def state(service: Service, thread: str) -> Any:
    with service.client() as client:
        return client.post(f"{_GATEWAY}/conversation-state", json={"conversation_key": thread}).json()


def test_a_message_gets_its_answer_and_nothing_else_on_standard_output(service: Service) -> None:
    done = parley("chat", "--data", service.data, "what", "is", "this")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("You said: what is this\n")


def test_a_message_can_come_through_a_pipe(service: Service) -> None:
    done = parley("chat", "--data", service.data, stdin="two\nlines\n")
    assert done.returncode == 0
    assert done.stdout.startswith("You said: two\nlines\n")


def test_a_thread_is_made_and_resumed(service: Service) -> None:
    thread = f"chat-{uuid4().hex}"
    for text in ("first", "second"):
        assert parley("chat", "--data", service.data, "--thread", thread, text).returncode == 0
    assert [message["content"] for message in state(service, thread)["messages"][::2]] == ["first", "second"]


def test_server_and_key_can_be_given(service: Service, tmp_path: Path) -> None:
    key = service.new_key("chatter")
    arguments = ("chat", "--data", tmp_path, "--server", service.grpc)
    assert parley(*arguments, "--key", key, "hello").stdout.startswith("You said: hello")
    assert parley(*arguments, "hello", env={"PARLEY_KEY": key}).stdout.startswith("You said: hello")


def test_a_wrong_key_is_a_sentence(service: Service) -> None:
    refused = parley("chat", "--data", service.data, "--key", "sk_live_nobody", "hello")
    assert refused.returncode == 1
    assert refused.stderr.startswith("parley: The server at ")
    assert "does not accept the key" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_no_server_is_a_sentence(tmp_path: Path) -> None:
    refused = parley("chat", "--data", tmp_path, "--server", "127.0.0.1:1", "--key", "k", "hello")
    assert refused.returncode == 1
    assert refused.stderr == (
        "parley: No Parley server answers at 127.0.0.1:1. Start one with `parley serve`, or name one with --server; "
        "one that speaks TLS needs --server-tls.\n"
    )


def test_an_answer_that_fails_is_said_once_and_told_by_the_exit_code(data: Path) -> None:
    env = {"PARLEY_OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "PARLEY_DEFAULT_MODEL": "nobody"}
    with running(data, env=env) as service:
        assert "nobody (openai)" in service.output
        done = parley("chat", "--data", data, "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The answer failed: ")
    assert done.stderr.endswith("(PROVIDER_UNAVAILABLE)\n")
    assert len(done.stderr.splitlines()) == 1


def test_no_key_is_a_sentence(tmp_path: Path) -> None:
    refused = parley("chat", "--data", tmp_path / "nothing", "hello")
    assert refused.returncode == 1
    assert "There is no API key in" in refused.stderr
    assert not (tmp_path / "nothing").exists()


def test_a_conversation_at_a_terminal(service: Service) -> None:
    thread = f"chat-{uuid4().hex}"
    with terminal([*PARLEY, "chat", "--data", str(service.data), "--thread", thread]) as person:
        person.wait_for(_PROMPT)
        person.type("hello\n")
        person.wait_for("You said: hello")
        person.wait_for(_PROMPT)
        person.type("and again\n")
        person.wait_for("You said: and again")
        person.wait_for(_PROMPT)
        person.type(CTRL_D)
        person.wait_for(f"--thread {thread}")
        assert person.wait_for_end() == 0
    assert len(state(service, thread)["messages"]) == 4

    with terminal([*PARLEY, "chat", "--data", str(service.data), "--thread", thread]) as person:
        person.wait_for("You said: and again")
        person.wait_for(_PROMPT)
        assert person.interrupt_until_end() == 0


def test_an_answer_that_waits_for_a_tool_says_so_and_can_be_given_up(service: Service) -> None:
    thread = f"chat-{uuid4().hex}"
    with service.client() as client:
        for route, body in {
            "create-thread": {},
            "update-settings": {"settings": {"client_tools": {"tools": [{"name": "beep"}]}}},
        }.items():
            assert client.post(f"{_GATEWAY}/{route}", json={"conversation_key": thread, **body}).status_code == 200
    with terminal([*PARLEY, "chat", "--data", str(service.data), "--thread", thread]) as person:
        person.wait_for(_PROMPT)
        person.type('/call beep {"times": 2}\n')
        person.wait_for('the model asks for the tool beep with {"times": 2}')
        person.wait_for("the answer waits (AWAITING_CLIENT_TOOLS)")
        person.type(CTRL_C)
        person.wait_for("(cancelled)")
        person.wait_for(_PROMPT)
        assert person.interrupt_until_end() == 0


def test_ctrl_c_ends_an_answer_and_not_the_client(data: Path, tmp_path: Path) -> None:
    with running(data, *echo(tmp_path, word_delay=1)) as service:
        with terminal([*PARLEY, "chat", "--data", str(data), "--thread", "ended"]) as person:
            for text in ("first", "second"):
                person.wait_for(_PROMPT)
                person.type(f"{text}\n")
                person.wait_for("You said:")
                person.type(CTRL_C)
                person.wait_for("(cancelled)")
            person.wait_for(_PROMPT)
            assert person.interrupt_until_end() == 0
        messages = state(service, "ended")["messages"]
    assert [message["status"] for message in messages] == ["COMPLETE", "INTERRUPTED"] * 2
    assert messages[3]["content"].startswith("You said:")


def test_an_answer_goes_on_when_the_server_comes_back(data: Path, tmp_path: Path) -> None:
    with running(data, *echo(tmp_path, word_delay=1)) as first:
        address = first.grpc
        with terminal([*PARLEY, "chat", "--data", str(data), "--thread", "resumed"]) as person:
            person.wait_for(_PROMPT)
            person.type("hello\n")
            person.wait_for("You said:")
            first.process.kill()
            first.process.wait()
            person.wait_for("the connection is lost")
            with running(data, *echo(tmp_path, word_delay=0.001), "--grpc", address) as second:
                person.wait_for("and start again.")
                person.wait_for(_PROMPT)
                person.type(CTRL_D)
                assert person.wait_for_end() == 0
                assert [message["status"] for message in state(second, "resumed")["messages"]] == ["COMPLETE"] * 2


def test_what_a_model_says_cannot_steer_the_terminal(service: Service) -> None:
    done = parley("chat", "--data", service.data, stdin="red: \x1b[31m bell: \x07 end")
    assert done.returncode == 0
    assert not set(done.stdout) & {"\x1b", "\x07"}
    assert os.linesep in done.stdout
