"""The documents' own curl commands, host and key exchanged, do what the documents say."""

import json
import re
import shutil
import time
from collections.abc import Callable
from typing import Any, Protocol
from uuid import uuid4

import pytest

from server.domain.key import KeyStyle
from tests.documents.curl import Exchange, Reply, read, run_with_curl, run_with_httpx
from tests.documents.shape import differences, missing_fields, shape
from tests.documents.source import DOCUMENTS, exchanges_of_document, exchanges_of_facts, folder
from tests.e2e.service import Service

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_ANSWER_SECONDS = 30


class Run(Protocol):
    """Has an exchange with the service."""

    def __call__(self, exchange: Exchange, *, base: str, key: str) -> Reply: ...


@pytest.fixture(params=["httpx", "curl"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return run_with_curl if request.param == "curl" else run_with_httpx


class Reader:
    """Somebody who follows a document from top to bottom with a fresh account."""

    def __init__(self, run: Run, base: str, key: str) -> None:
        self._run = run
        self._base = base
        self._key = key
        self.known: dict[str, str] = {}
        """What stands in a command for something that only the reader can know."""

    def try_out(self, exchange: Exchange) -> Reply:
        reply = self._run(exchange.with_values(self.known), base=self._base, key=self._key)
        assert reply.status == 200, f"{exchange.route}: {reply.status} {reply.body}"
        return reply

    def try_until_idle(self, exchange: Exchange) -> Any:
        """The document: "Use the next step to retrieve it"; a person would look again."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while (state := self.try_out(exchange).json())["status"] != "IDLE":
            assert time.monotonic() < deadline, state
        return state


@pytest.fixture
def reader(run: Run, service: Service, fresh_key: Callable[[], str]) -> Reader:
    return Reader(run, service.base, fresh_key())


def by_route(name: str) -> dict[str, Exchange]:
    """The exchanges of a document by the last word of their routes; the first of each."""
    found: dict[str, Exchange] = {}
    for exchange in exchanges_of_facts(name):
        found.setdefault(exchange.route.rpartition("/")[2], exchange)
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_copied_facts_are_the_documents(name: str) -> None:
    documents = folder()
    if documents is None:
        pytest.skip("the documents are not here; their copied facts are replayed")
    assert exchanges_of_facts(name) == exchanges_of_document(documents / DOCUMENTS[name])


def test_a_command_ends_where_its_quotes_do() -> None:
    text = r"""Try
curl -X POST https://host.example/a?b=c&d=e \
-H 'X: 1' \
-d '{
"a": "\\n"
}'
Response:
{
"a": []
}
end"""
    assert read(text) == [
        Exchange(("-X", "POST", "$BASE/a?b=c&d=e", "-H", "X: 1", "-d", '{\n"a": "\\\\n"\n}'), {"a": []})
    ]


def test_quickstart(reader: Reader) -> None:
    steps = exchanges_of_facts("quickstart")
    assert [step.route.rpartition("/")[2] for step in steps] == [
        "list-threads",
        "create-thread",
        "send-message",
        "conversation-state",
    ]
    *others, state = steps
    for step in others:
        assert differences(step.sample, reader.try_out(step).json()) == []
    assert differences(state.sample, reader.try_until_idle(state)) == []


def test_conversations_guide(reader: Reader) -> None:
    steps = by_route("conversations_guide")
    created = reader.try_out(steps["create-thread"]).json()
    assert created["conversationKey"] == "support-chat-001"
    sent = reader.try_out(steps["send-message"]).json()
    assert sent["status"] == "RUNNING"
    state = reader.try_until_idle(steps["conversation-state"])
    assert [message["role"] for message in state["messages"]] == ["user", "assistant"]
    listed = reader.try_out(steps["list-threads"]).json()["threads"]
    assert [thread["conversationKey"] for thread in listed] == ["support-chat-001"]


@pytest.mark.parametrize(
    ("route", "field", "wanted"),
    [
        (
            "update-default-generation-config",
            "generationConfig",
            {"model": "openai/gpt-4o", "temperature": 0.7, "maxTokens": 2048, "topP": 0.9},
        ),
        (
            "update-settings",
            "settings",
            {
                "systemPrompt": "You are a helpful customer support agent for Acme Corp.",
                "interruptPolicy": "QUEUE",
            },
        ),
        (
            "update-context-management-settings",
            "contextManagementSettings",
            {"strategy": "SLIDING_WINDOW", "maxHistoryMessages": 50},
        ),
    ],
)
def test_what_the_guide_configures_is_kept(reader: Reader, route: str, field: str, wanted: dict[str, Any]) -> None:
    steps = by_route("conversations_guide")
    reader.try_out(steps["create-thread"])
    assert differences(wanted, reader.try_out(steps[route]).json()[field]) == []
    assert differences(wanted, reader.try_out(steps["conversation-state"]).json()[field]) == []


_TALK = "support-chat-001"


def _asked(reader: Reader, steps: dict[str, Exchange], message: str) -> Any:
    """The state of the guide's thread once its run waits, after a message that has `echo` ask for a tool."""
    reader.try_out(steps["create-thread"])
    settings = {"mcp_servers": {"names": ["time"]}, "client_tools": {"tools": [{"name": "confirm"}]}}
    body = json.dumps({"conversation_key": _TALK, "settings": settings})
    words = list(steps["update-settings"].arguments)
    reader.try_out(Exchange((*words[:-1], body)))
    body = json.dumps({"conversation_key": _TALK, "user_message": {"role": "user", "content": message}})
    reader.try_out(Exchange((*list(steps["send-message"].arguments)[:-1], body)))
    deadline = time.monotonic() + _ANSWER_SECONDS
    while not (state := reader.try_out(steps["conversation-state"]).json())["status"].startswith("AWAITING_"):
        assert time.monotonic() < deadline, state
    return state


def test_the_guide_of_approvals(reader: Reader) -> None:
    steps = by_route("conversations_guide")
    _asked(reader, steps, '/call time__get_current_time {"timezone": "UTC"}')
    (pending,) = reader.try_out(steps["list-pending-approvals"]).json()["approvals"]
    assert (pending["serverName"], pending["toolName"]) == ("time", "get_current_time")
    reader.known["call_abc123"] = pending["toolCallId"]
    answered = reader.try_out(steps["submit-tool-approvals"]).json()
    assert answered["outcomes"] == [{"toolCallId": pending["toolCallId"], "state": "READY"}]
    state = reader.try_until_idle(steps["conversation-state"])
    assert [message["role"] for message in state["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert '"timezone": "UTC"' in state["messages"][2]["content"]
    assert reader.try_out(steps["list-pending-approvals"]).json() == {"approvals": []}


def test_the_guide_of_client_side_tools(reader: Reader) -> None:
    steps = by_route("conversations_guide")
    state = _asked(reader, steps, "/call confirm")
    assert state["status"] == "AWAITING_CLIENT_TOOLS"
    reader.known["call_xyz789"] = state["pendingClientToolCalls"][0]["toolCallId"]
    answered = reader.try_out(steps["submit-client-tool-results"]).json()
    assert answered["outcomes"][0]["state"] == "SUCCEEDED"
    state = reader.try_until_idle(steps["conversation-state"])
    assert state["messages"][2]["content"] == '{"status": "confirmed"}'
    assert "confirmed" in state["messages"][3]["content"]


class Archivist(Reader):
    """Somebody with a key as the archive's document shows it."""

    def say(self, message: str, **more: Any) -> Any:
        body = json.dumps({"message": message, **more})
        headers = ("-H", "uni-api-key: $KEY", "-H", "Content-Type: application/json")
        words = ("-X", "POST", "$BASE/api/v3/chat", *headers, "-d", body)
        return self.try_out(Exchange(words)).json()

    def found(self, exchange: Exchange, *names: str) -> list[Any]:
        """The conversations that a search finds, which must be these, in this order."""
        conversations: list[Any] = self.try_out(exchange).json()
        assert [each["name"] for each in conversations] == list(names)
        return conversations


@pytest.fixture
def archivist(run: Run, service: Service) -> Archivist:
    scopes = ("ayeto.conversation", "ayeto.chat")
    key = service.new_key(f"reader-{uuid4().hex}", scopes=scopes, style=KeyStyle.ARCHIVE)
    assert re.fullmatch(r"ayeto-[0-9a-f]{64}", key)
    return Archivist(run, service.base, key)


def test_archive(archivist: Archivist) -> None:
    """All eleven commands as they stand, with another host, key and id. `gpt-4o` is nobody's model here."""
    steps = exchanges_of_facts("archive")
    assert len(steps) == 11
    everything, newest, ten, by_model, by_name, by_assistant, by_age, combined, one, delete, verbose = steps
    first = archivist.say("How do I write a function in Python?")
    archivist.say("Hello", assistant_id="123e4567-e89b-12d3-a456-426614174000")
    archivist.say("And in Rust?", conversation_id=first["conversation_id"])
    python, hello = "How do I write a function…", "Hello"

    archivist.found(everything, python, hello)
    for step in (newest, ten):
        archivist.found(step, python, hello)
    archivist.found(verbose, python, hello)
    archivist.found(by_age, python, hello)
    archivist.found(by_assistant, hello)
    archivist.found(by_name)
    archivist.found(by_name.with_values({"Python": "function"}), python)
    for step in (by_model, combined):
        archivist.found(step)
        archivist.found(step.with_values({"gpt-4o": first["model"]}), python, hello)

    archivist.known = {"550e8400-e29b-41d4-a716-446655440000": first["conversation_id"]}
    got = archivist.try_out(one).json()
    assert got["accessed"] == {"user_id": None, "timestamp": 0}
    assert archivist.try_out(one).json()["accessed"]["user_id"] == got["created"]["user_id"]
    assert archivist.try_out(delete).json() == first["conversation_id"]
    archivist.found(everything, hello)


def test_the_archive_has_the_shape_of_the_documents_sample(archivist: Archivist) -> None:
    steps = exchanges_of_facts("archive")
    everything, one = steps[0], steps[8]
    said = archivist.say("Hi, how do I write a function in Python?")
    archivist.known = {"550e8400-e29b-41d4-a716-446655440000": said["conversation_id"]}
    found = archivist.try_out(everything).json()
    assert shape(found) == shape(everything.sample)
    assert shape(archivist.try_out(one).json()) == shape(everything.sample[0])


def test_conversation_service(reader: Reader) -> None:
    steps = by_route("conversation_service")
    organization, model = _ids_of(reader)
    # The document's ids are examples, two of them no UUIDs; the reader puts in those it got.
    reader.known = {"your-org-id": organization, "457d4f38-e3c0-43eb-b519-a867f9f5325a": model}

    conversation = reader.try_out(steps["create"]).json()
    assert missing_fields(steps["create"].sample, conversation) == []
    assert set(steps["create"].sample) == set(conversation)
    reader.known |= {
        "5a7e8f91-2b3c-4d5e-6f7g-8h9i0j1k2l3m": conversation["id"],
        "your-conversation-id": conversation["id"],
    }
    session = reader.try_out(steps["create_session"]).json()
    assert missing_fields(steps["create_session"].sample, session) == []
    assert set(steps["create_session"].sample) == set(session)
    assert (session["conversation_id"], session["model_id"], session["status"]) == (conversation["id"], model, "active")
    reader.known |= {"9b8c7d6e-5f4e-3d2c-1b0a-9z8y7x6w5v4u": session["id"]}

    events = _events(reader.try_out(steps["stream_chat"]).body)
    names = [name for name, _ in events]
    assert names == ["start", *["content"] * (len(events) - 2), "end"]
    assert events[0][1]["message_id"] == events[-1][1]["message_id"]

    listed = reader.try_out(steps["list"]).json()
    assert [(row["id"], set(row)) for row in listed] == [(conversation["id"], set(conversation))]
    with_sessions = reader.try_out(steps["get_with_sessions"]).json()
    assert [row["id"] for row in with_sessions["chat_sessions"]] == [session["id"]]
    messages = reader.try_out(steps["messages"]).json()["messages"]
    assert [row["role"] for row in messages] == ["user", "assistant"]
    assert messages[1]["content"] == "".join(data["content"] for name, data in events if name == "content")


def _ids_of(reader: Reader) -> tuple[str, str]:
    """The organization and a model of the reader, from the two lists that have them."""
    bearer = ("-H", "Authorization: Bearer $KEY")
    organization = reader.try_out(Exchange(("$BASE/api/org/list", *bearer))).json()[0]["id"]
    model = reader.try_out(Exchange((f"$BASE/api/llm/list?org_id={organization}", *bearer))).json()[0]["id"]
    return organization, model


def _events(body: str) -> list[tuple[str, Any]]:
    """The named events of a stream, with their data."""
    found = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found
