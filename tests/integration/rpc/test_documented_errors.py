"""Every error status of the conversations document with its body, and that what was refused left nothing behind."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from server.adapters.store.tables import METADATA
from server.domain.ids import default_organization_id
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.serving import Served, serve

UNKNOWN: Final = "00000000-0000-7000-8000-000000000000"
ORGANIZATION: Final = default_organization_id("acme")
HUGE: Final = 10**30


@dataclass(frozen=True, slots=True)
class Wrong:
    """A call that must be refused; `$talk` and `$session` in it are anna's."""

    name: str
    method: str
    route: str
    status: int
    code: str
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    fields: tuple[str, ...] = ()
    caller: str = "anna"
    org_id: Any = ORGANIZATION


def _create(name: str, body: Any, *fields: str, code: str = "INVALID_FIELD") -> Wrong:
    return Wrong(name, "POST", "conversation/create", 400, code, body=body, fields=fields)


def _messages(name: str, *fields: str, **query: Any) -> Wrong:
    return Wrong(
        name, "GET", "conversation/messages", 400, "INVALID_FIELD", {"conversation_id": "$talk", **query}, fields=fields
    )


def _chat(name: str, status: int, code: str, message: Any, session: Any = "$session", *, caller: str = "anna") -> Wrong:
    body = {"chat_session_id": session, "message": message}
    return Wrong(name, "POST", "conversation/stream_chat", status, code, body=body, caller=caller)


def _listed(name: str, status: int, code: str, org_id: Any) -> Wrong:
    return Wrong(name, "GET", "conversation/list", status, code, org_id=org_id)


WRONG = [
    _create("no body", None, ""),
    _create("no title", {}, "title"),
    _create("an empty title", {"title": ""}, "title"),
    _create("a title of 256 characters", {"title": "x" * 256}, "title"),
    _create("a title that is a number", {"title": 7}, code="INVALID_BODY"),
    _create("a flag that is a text", {"title": "A", "is_archived": "perhaps"}, code="INVALID_BODY"),
    _create("an unknown field", {"title": "A", "colour": "red"}, code="INVALID_BODY"),
    _create("a body that is a list", ["A"], code="INVALID_BODY"),
    _listed("no organization", 400, "INVALID_FIELD", None),
    _listed("an empty organization", 400, "INVALID_FIELD", ""),
    _listed("an organization that is no UUID", 400, "INVALID_FIELD", "your-org-id"),
    _listed("an organization that does not exist", 403, "NOT_A_MEMBER", UNKNOWN),
    _listed("another tenant's organization", 403, "NOT_A_MEMBER", default_organization_id("rival")),
    Wrong("no credential", "GET", "conversation/list", 401, "KEY_MISSING", caller="nobody"),
    Wrong("a credential that is none", "GET", "conversation/list", 401, "KEY_INVALID", caller="forger"),
    _messages("a limit of 0", "limit", limit=0),
    _messages("a negative limit", "limit", limit=-1),
    _messages("a limit of 101", "limit", limit=101),
    _messages("a huge limit", "limit", limit=HUGE),
    _messages("a limit that is a text", "limit", limit="many"),
    _messages("a negative offset", "offset", offset=-1),
    _messages("a huge offset", "offset", offset=HUGE),
    _messages("an unknown order", "order", order="sideways"),
    _messages("an unknown parameter", "colour", colour="red"),
    _messages("a conversation that is no UUID", "conversation_id", conversation_id="talk"),
    Wrong(
        "an unknown conversation",
        *("GET", "conversation/messages", 404, "CONVERSATION_NOT_FOUND", {"conversation_id": UNKNOWN}),
    ),
    Wrong(
        "somebody else's conversation",
        *("GET", "conversation/messages", 404, "CONVERSATION_NOT_FOUND", {"conversation_id": "$talk"}),
        caller="bert",
    ),
    Wrong(
        "removing somebody else's conversation",
        *("DELETE", "conversation/remove", 404, "CONVERSATION_NOT_FOUND", {"conversation_id": "$talk"}),
        caller="bert",
    ),
    Wrong(
        "changing somebody else's conversation",
        *("PUT", "conversation/update", 404, "CONVERSATION_NOT_FOUND", {"conversation_id": "$talk"}, {"title": "Mine"}),
        caller="bert",
    ),
    Wrong(
        "a model that nobody has",
        *("POST", "conversation/create_session", 400, "UNKNOWN_MODEL", {}),
        {"conversation_id": "$talk", "model_id": UNKNOWN},
    ),
    Wrong(
        "a model that is no UUID",
        *("POST", "conversation/create_session", 400, "INVALID_FIELD", {}),
        {"conversation_id": "$talk", "model_id": "gpt-4o"},
        ("model_id",),
    ),
    _chat("an empty message", 400, "INVALID_FIELD", ""),
    _chat("a message that is an object", 400, "INVALID_BODY", {"text": "Hi"}),
    _chat("an unknown session", 404, "SESSION_NOT_FOUND", "Hi", UNKNOWN),
    _chat("a session that is no UUID", 400, "INVALID_FIELD", "Hi", "9b8c7d6e-5f4e-3d2c-1b0a-9z8y7x6w5v4u"),
    _chat("somebody else's session", 404, "SESSION_NOT_FOUND", "Hi", caller="bert"),
    Wrong("no name", "POST", "org/create_org", 400, "INVALID_FIELD", fields=("name",), org_id=None),
    Wrong(
        *("a name that is taken", "POST", "org/create_org", 409, "ORGANIZATION_NAME_TAKEN", {"name": "Default"}),
        org_id=None,
    ),
    Wrong(
        "a model of a provider that nobody configured",
        *("POST", "llm/add", 400, "UNKNOWN_PROVIDER", {}, {"provider": "nobody", "name": "m"}),
    ),
    Wrong(
        "a model added by a member",
        *("POST", "llm/add", 403, "ROLE_MISSING", {}, {"provider": "scripted", "name": "m"}),
        caller="bert",
    ),
    Wrong(
        "a role that is none",
        *("PUT", "org/set_member", 400, "INVALID_BODY", {}, {"user": "bert", "role": "King"}),
    ),
]


@dataclass(frozen=True, slots=True)
class Stage:
    """A service on which anna has a talk and a session."""

    served: Served
    keys: dict[str, str]
    known: dict[str, str]

    async def call(self, wrong: Wrong) -> httpx.Response:
        query = {name: self._filled(value) for name, value in wrong.query.items()}
        if wrong.org_id is not None:
            query["org_id"] = wrong.org_id
        body = (
            {name: self._filled(each) for name, each in wrong.body.items()}
            if isinstance(wrong.body, dict)
            else wrong.body
        )
        key = self.keys[wrong.caller]
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.served.in_process.request(
            wrong.method, f"/api/{wrong.route}", params=query, json=body, headers=headers
        )

    def rows(self) -> dict[str, int]:
        """How many rows there are of everything; but that something was refused may be told."""
        told = " WHERE outcome <> 'REFUSED'"
        with closing(sqlite3.connect(self.served.database)) as connection:
            counted = {name: f"SELECT count(*) FROM {name}{told * (name == 'audit')}" for name in METADATA.tables}
            return {name: connection.execute(sql).fetchone()[0] for name, sql in counted.items()}

    def _filled(self, value: Any) -> Any:
        return self.known.get(value, value) if isinstance(value, str) else value


async def _staged(served: Served) -> Stage:
    keys = {user: (await served.key(user))[1] for user in ("anna", "bert")}
    await served.key("eve", tenant="rival")
    stage = Stage(served, {**keys, "nobody": "", "forger": "sk_live_forged"}, {})
    talk = await stage.call(Wrong("", "POST", "conversation/create", 200, "", body={"title": "A talk"}))
    model = await stage.call(Wrong("", "GET", "llm/list", 200, ""))
    stage.known["$talk"] = talk.json()["id"]
    body = {"conversation_id": "$talk", "model_id": model.json()[0]["id"]}
    session = await stage.call(Wrong("", "POST", "conversation/create_session", 200, "", body=body))
    stage.known["$session"] = session.json()["id"]
    return stage


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with serve(tmp_path_factory.mktemp("errors"), provider=DirectedProvider()) as served:
        yield await _staged(served)


def error_of(reply: httpx.Response, status: int, code: str) -> Any:
    """The error of a reply, whose status and body are the document's."""
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    assert reply.headers["content-type"].partition(";")[0] == "application/json"
    body = reply.json()
    assert set(body) == {"status", "error"}
    assert body["status"] == "error"
    assert set(body["error"]) == {"code", "message", "details"}
    assert isinstance(body["error"]["message"], str)
    assert isinstance(body["error"]["details"], dict)
    return body["error"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
async def test_what_is_wrong_has_the_documents_status_and_body_and_leaves_nothing(stage: Stage, wrong: Wrong) -> None:
    before = stage.rows()
    error = error_of(await stage.call(wrong), wrong.status, wrong.code)
    assert stage.rows() == before
    named = [each["field"] for each in error["details"].get("fields", [])]
    assert set(wrong.fields) <= set(named)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_megabyte_is_a_message_and_too_much_is_refused(stage: Stage) -> None:
    long = await stage.call(_chat("", 200, "", "x" * 1_000_000))
    assert (long.status_code, "event: end" in long.text) == (200, True)
    before = stage.rows()
    reply = await stage.call(_chat("", 413, "", "x" * 5_000_000))
    assert reply.status_code == 413
    assert reply.json()["status"] == "error"
    assert stage.rows() == before


@pytest.mark.asyncio(loop_scope="module")
async def test_a_key_that_stands_for_another_request_is_a_conflict(stage: Stage) -> None:
    """The document knows no 422."""
    headers = {"Authorization": f"Bearer {stage.keys['anna']}", "Idempotency-Key": "once"}
    statuses = []
    for title in ("one", "one", "two"):
        reply = await stage.served.in_process.post(
            f"/api/conversation/create?org_id={ORGANIZATION}", json={"title": title}, headers=headers
        )
        statuses.append(reply.status_code)
    assert statuses == [200, 200, 409]
    error_of(reply, 409, "REQUEST_ID_REUSED")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_full_queue_is_too_many_requests(tmp_path: Path) -> None:
    async with serve(tmp_path, provider=DirectedProvider()) as served:
        stage = await _staged(served)
        waiting = [asyncio.create_task(stage.call(_chat("", 200, "", "hold"))) for _ in range(40)]
        # All but those that wait are answered at once.
        refused = await asyncio.wait_for(_first(waiting), 30)
        error = error_of(refused, 429, "QUEUE_FULL")
        assert "send again" in error["message"]
        assert float(refused.headers["retry-after"]) >= 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _first(tasks: list[asyncio.Task[httpx.Response]]) -> httpx.Response:
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done.pop().result()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fault_of_the_server_says_nothing_but_a_fixed_sentence(tmp_path: Path) -> None:
    async with serve(tmp_path, provider=DirectedProvider()) as served:
        stage = await _staged(served)
        with closing(sqlite3.connect(served.database)) as connection:
            connection.execute("UPDATE memberships SET role = 'secret nonsense' WHERE owner = 'anna'")
            connection.commit()
        reply = await stage.call(Wrong("", "GET", "conversation/list", 500, "INTERNAL"))
        error = error_of(reply, 500, "INTERNAL")
        assert "nonsense" not in reply.text
        assert error["details"]["request_id"]
