"""The conversations API where no single call shows it: sessions side by side, removal, models that come and go."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.members import Members
from server.domain.ids import ConversationId, default_organization_id
from server.domain.organization import MemberRole
from server.domain.principal import Owner
from server.domain.run import Run
from tests.contract.api.serving import Served, serve
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate

ORGANIZATION = default_organization_id("acme")
ERROR = {"status", "error"}


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who speaks JSON to a service."""

    http: httpx.AsyncClient
    key: str

    async def call(self, method: str, route: str, body: Any = None, **query: Any) -> httpx.Response:
        """A call of a route, to the default organization unless the query names another."""
        headers = {"Authorization": f"Bearer {self.key}"}
        parameters = {"org_id": ORGANIZATION, **query}
        return await self.http.request(method, f"/api/{route}", params=parameters, json=body, headers=headers)

    async def done(self, method: str, route: str, body: Any = None, **query: Any) -> Any:
        """The reply of a call that must succeed."""
        reply = await self.call(method, route, body, **query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def session(self, talk: str, model: str) -> str:
        """A new session's id."""
        body = {"conversation_id": talk, "model_id": model}
        return str((await self.done("POST", "conversation/create_session", body))["id"])

    async def chat(self, session: str, message: str) -> httpx.Response:
        """A message in a session, and its whole answer."""
        return await self.call("POST", "conversation/stream_chat", {"chat_session_id": session, "message": message})


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
async def served(tmp_path: Path, provider: ScriptedProvider) -> AsyncIterator[Served]:
    async with serve(tmp_path, provider=provider) as running:
        yield running


@pytest.fixture
async def anna(served: Served) -> Client:
    return await _client(served, served.in_process)


async def _client(served: Served, http: httpx.AsyncClient, user: str = "anna") -> Client:
    return Client(http, (await served.key(user))[1])


async def _talk(client: Client) -> str:
    return str((await client.done("POST", "conversation/create", {"title": "A talk"}))["id"])


async def test_sessions_side_by_side_answer_each_with_its_model_in_one_history(
    anna: Client, provider: ScriptedProvider
) -> None:
    talk = await _talk(anna)
    models = [model["id"] for model in await anna.done("GET", "llm/list")]
    sessions = [await anna.session(talk, model) for model in models]
    gate = Gate()
    provider.script("one", gate)
    provider.script("two")
    first = asyncio.create_task(anna.chat(sessions[0], "to the first"))
    await gate.reached()
    second = asyncio.create_task(anna.chat(sessions[1], "to the second"))
    listed = await anna.done("GET", "conversation/messages", conversation_id=talk)
    assert [message["content"] for message in listed["messages"]] == ["to the first"]
    gate.open()
    assert "one" in (await first).text
    assert "two" in (await second).text

    assert [request.generation.model for request in provider.requests] == ["first", "second"]
    # The second model sees what was said in the other session.
    assert [message.content for message in provider.requests[1].messages] == ["to the first", "one", "to the second"]
    rows = (await anna.done("GET", "conversation/messages", conversation_id=talk))["messages"]
    assert [(row["chat_session_id"], row["model_id"]) for row in rows] == [
        *((sessions[0], None), (sessions[0], models[0])),
        *((sessions[1], None), (sessions[1], models[1])),
    ]
    newest_first = await anna.done("GET", "conversation/messages", conversation_id=talk, order="desc", limit=3)
    assert [row["id"] for row in newest_first["messages"]] == [row["id"] for row in reversed(rows)][:3]
    assert newest_first["has_more"]


async def test_removing_a_conversation_ends_its_answer_and_its_streams(
    served: Served, anna: Client, provider: ScriptedProvider
) -> None:
    talk = await _talk(anna)
    session = await anna.session(talk, (await anna.done("GET", "llm/list"))[0]["id"])
    gate = Gate()
    provider.script("Hel", gate, "lo")
    watching = asyncio.create_task(anna.chat(session, "Hi"))
    await gate.reached()
    assert await anna.done("DELETE", "conversation/remove", conversation_id=talk) == {"id": talk}
    async with asyncio.timeout(20):
        seen = (await watching).text
        await provider.idle()
    assert "event: error" in seen
    assert "NOT_FOUND" in seen
    assert "event: end" not in seen
    assert provider.streams_abandoned == 1
    owner = Owner("acme", "anna")
    assert await served.house.store.read(owner, lambda tx: tx.conversations.by_id(ConversationId(talk))) is None
    assert await served.house.store.read(owner, lambda tx: tx.messages.history(ConversationId(talk))) == []


async def test_an_added_model_answers_after_a_restart_and_rests_while_its_provider_is_gone(tmp_path: Path) -> None:
    async with serve(tmp_path, provider=ScriptedProvider(default=("Hello",))) as served:
        anna = await _client(served, served.in_process)
        model = await anna.done("POST", "llm/add", {"provider": "scripted", "name": "third"})
        talk = await _talk(anna)
        session = await anna.session(talk, model["id"])

    provider = ScriptedProvider(default=("Hello again",))
    async with serve(tmp_path, provider=provider) as served:
        anna = await _client(served, served.through_channel)
        assert model in await anna.done("GET", "llm/list")
        assert "Hello again" in (await anna.chat(session, "Hi")).text
        assert provider.requests[-1].generation.model == "third"
        assert await _status(anna, talk) == "active"

    async with serve(tmp_path, provider=ScriptedProvider(name="another")) as served:
        anna = await _client(served, served.in_process)
        listed = {shown["id"]: shown["is_active"] for shown in await anna.done("GET", "llm/list")}
        assert listed.pop(model["id"]) is False
        assert set(listed.values()) == {True}
        assert await _status(anna, talk) == "completed"
        for refused in (await anna.chat(session, "Hi"), await _opened(anna, talk, model["id"])):
            error = _error(refused, 400)
            assert error["code"] == "MODEL_INACTIVE"
            assert error["details"] == {"provider": "scripted", "model": "third"}
        said = await anna.done("GET", "conversation/messages", conversation_id=talk)
        assert [message["content"] for message in said["messages"]] == ["Hi", "Hello again"]
        assert said["messages"][1]["model_id"] == model["id"]


async def _status(client: Client, talk: str) -> str:
    shown = await client.done("GET", "conversation/get_with_sessions", conversation_id=talk)
    return str(shown["chat_sessions"][0]["status"])


async def _opened(client: Client, talk: str, model: str) -> httpx.Response:
    return await client.call("POST", "conversation/create_session", {"conversation_id": talk, "model_id": model})


def _error(reply: httpx.Response, status: int) -> Any:
    """The error of a reply, whose body is the document's."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/json")
    body = reply.json()
    assert set(body) == ERROR
    assert body["status"] == "error"
    assert set(body["error"]) == {"code", "message", "details"}
    assert isinstance(body["error"]["details"], dict)
    return body["error"]


async def test_who_operates_the_service_changes_roles_that_count_at_once(served: Served, anna: Client) -> None:
    bert = await _client(served, served.in_process, "bert")
    members = Members(store=served.house.store, clock=SystemClock(), audit=Audit(clock=SystemClock(), ids=SystemIds()))
    user = Owner("acme", "bert")
    assert (await bert.call("POST", "llm/add", {"provider": "scripted", "name": "x"})).status_code == 403
    await members.set(user, "Default", MemberRole.ADMIN)
    assert (await bert.call("POST", "llm/add", {"provider": "scripted", "name": "x"})).status_code == 200
    await members.remove(user, "Default")
    assert _error(await bert.call("GET", "llm/list"), 403)["code"] == "NOT_A_MEMBER"
    # A new key, or somebody acting for the user, does not bring the member back.
    again = await _client(served, served.in_process, "bert")
    assert (await again.call("GET", "conversation/list")).status_code == 403


async def test_a_member_who_is_removed_while_sending_has_sent_nothing(
    served: Served, anna: Client, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert = await _client(served, served.in_process, "bert")
    talk = await _talk(bert)
    session = await bert.session(talk, (await bert.done("GET", "llm/list"))[0]["id"])
    accept = served.house.runs.send

    async def accept_later(*arguments: Any, **options: Any) -> Run:
        await anna.done("DELETE", "org/remove_member", user="bert")
        return await accept(*arguments, **options)

    monkeypatch.setattr(served.house.runs, "send", accept_later)
    assert _error(await bert.chat(session, "Hi"), 403)["code"] == "NOT_A_MEMBER"
    assert provider.requests == []
    history = await served.house.store.read(Owner("acme", "bert"), lambda tx: tx.messages.history(ConversationId(talk)))
    assert history == []
