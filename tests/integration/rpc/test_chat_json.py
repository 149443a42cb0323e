"""The chat API as a client of its document sees it: routes, keys, statuses and error bodies, byte for byte."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.contract.api.directed_provider import TITLE, DirectedProvider
from tests.contract.api.serving import Served, serve
from tests.support.house import ANNA

UNKNOWN = "00000000-0000-7000-8000-000000000000"
PROMPT = "/chat/prompt"
STREAM = "/chat/prompt/stream"


@dataclass(frozen=True, slots=True)
class Client:
    """Anna with her key, over HTTP."""

    served: Served
    http: httpx.AsyncClient
    headers: dict[str, str]

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def prompt(self, **body: Any) -> dict[str, Any]:
        reply = await self.call("POST", PROMPT, json={"message": "Hi", **body})
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def chats(self) -> list[Any]:
        return list((await self.call("GET", "/chat/")).json()["chats"])


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with serve(tmp_path, provider=DirectedProvider()) as served:
        _, key = await served.key()
        yield Client(served, served.in_process, {"authorization": f"Bearer {key}"})


def events(text: str) -> list[tuple[str | None, str, Any]]:
    """(id, event, data) of a stream, comments left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return found


async def test_every_reply_has_the_documented_keys(client: Client) -> None:
    answered = await client.prompt()
    chat = answered["chat_id"]
    assert answered == {"answer": "You said: Hi", "chat_id": str(UUID(chat))}

    read = (await client.call("GET", f"/chat/messages/{chat}")).json()
    first, second = read.pop("messages")
    assert first.keys() == second.keys() == {"id", "chat_id", "role", "content", "created_at"}
    assert (first["role"], first["content"], second["role"]) == ("user", "Hi", "assistant")
    assert first["created_at"] <= second["created_at"]
    assert str(UUID(read.pop("user_id")))
    assert read.pop("updated_at").endswith("Z")
    counts = {"total": 2, "limit": 50, "offset": 0, "has_more": False}
    assert read == {"error": False, "id": chat, "title": TITLE, **counts}

    for path in ("/chat/", "/chat"):
        listed = (await client.call("GET", path)).json()
        (row,) = listed.pop("chats")
        assert row.pop("updated_at").endswith("Z")
        assert row == {"id": chat, "title": TITLE}
        assert listed == {"error": False, "total": 1, "limit": 20, "offset": 0, "has_more": False}

    renamed = (await client.call("PUT", f"/chat/rename/{chat}", json={"title": "Mine"})).json()
    assert renamed == {"error": False, "detail": "The chat was renamed.", "new_title": "Mine"}
    archived = (await client.call("DELETE", f"/chat/archive/{chat}")).json()
    assert archived == {"error": False, "message": "The chat was archived."}
    assert await client.chats() == []


async def test_a_stream_has_the_documented_events_and_joins_to_its_answer(client: Client) -> None:
    reply = await client.call("POST", STREAM, json={"message": "Hi", "chat_id": None})
    assert reply.headers["content-type"] == "text/event-stream"
    found = events(reply.text)
    names = [name for _, name, _ in found]
    assert set(names) == {"status", "title", "final_answer", "complete"}
    assert (names.count("title"), names[-1]) == (1, "complete")
    assert [data for _, name, data in found if name == "title"] == [{"title": TITLE}]
    assert all(data.keys() == {"message"} for _, name, data in found if name == "status")
    chunks = "".join(data["chunk"] for _, name, data in found if name == "final_answer")
    complete = found[-1][2]
    assert complete == {"answer": chunks, "chat_id": str(UUID(complete["chat_id"]))}
    assert chunks == "You said: Hi"


async def test_a_repeated_request_with_the_last_event_id_continues_the_stream(client: Client) -> None:
    body = {"message": "Hi", "generate_title": False}
    whole = events((await client.call("POST", STREAM, json=body)).text)
    for number, (identity, _, _) in enumerate(whole, 1):
        assert identity is not None
        again = await client.call("POST", STREAM, json=body, headers={"last-event-id": identity})
        rest = events(again.text)
        assert [event for event in rest if event[1] != "end"] == whole[number:]
    assert len(await client.chats()) == 1
    read = (await client.call("GET", f"/chat/messages/{whole[-1][2]['chat_id']}")).json()
    assert read["total"] == 2


async def test_a_failure_after_the_beginning_is_an_error_event_of_the_same_shape(client: Client) -> None:
    chat = (await client.prompt())["chat_id"]
    async with client.http.stream(
        "POST", STREAM, json={"message": "hold", "chat_id": chat}, headers=client.headers
    ) as reply:
        lines = reply.aiter_lines()
        text = ""
        async for line in lines:
            text += line + "\n"
            if "Holding" in line:
                break
        page = await client.served.house.runs.page(ANNA.owner, chat, page_size=1, page_token="")
        await client.served.house.runs.cancel(ANNA, page.items[0].id)
        text += "".join([line + "\n" async for line in lines])
    _, name, data = events(text)[-1]
    assert name == "error"
    assert data == {
        "success": False,
        "message": "the answer was cancelled; what it had said is in the conversation",
    }


async def test_a_message_of_a_megabyte_is_answered(client: Client) -> None:
    text = "a" * 1_000_000
    answered = await client.prompt(message=text, generate_title=False)
    assert answered["answer"] == f"You said: {text}"


BAD_PROMPTS: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"{}", 422),
    (b'{"message": ""}', 422),
    (b'{"message": null}', 422),
    (b'{"message": 7}', 422),
    (b'{"message": ["Hi"]}', 422),
    (b'{"message": "Hi"', 422),
    (b'{"message": "Hi", "nonsense": 1}', 422),
    (b'{"message": "Hi", "generate_title": "perhaps"}', 422),
    (b'{"message": "Hi", "chat_id": 7}', 422),
    (b'{"message": "Hi", "provider_id": "scripted"}', 422),
    (b'{"message": "Hi", "model_id": "gone"}', 422),
    (b'{"message": "Hi", "chat_id": "talk"}', 404),
    (b'{"message": "Hi", "chat_id": ""}', 404),
    (b'{"message": "Hi", "chat_id": "00000000-0000-7000-8000-000000000000"}', 404),
    (b'{"message": "fail PROVIDER_UNAVAILABLE", "chat_id": null}', 500),
]


@pytest.mark.parametrize("path", [PROMPT, STREAM])
@pytest.mark.parametrize(("body", "status"), BAD_PROMPTS, ids=str)
async def test_a_bad_prompt_is_told_in_the_prompts_shape(client: Client, path: str, body: bytes, status: int) -> None:
    reply = await client.call("POST", path, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == status, reply.text
    told = reply.json()
    assert told.keys() == {"success", "message"}
    assert told["success"] is False
    assert told["message"]
    assert len(await client.chats()) == (status == 500)


BAD_CALLS: list[tuple[str, str, Any, int]] = [
    ("GET", "/chat/?limit=0", None, 422),
    ("GET", "/chat/?limit=101", None, 422),
    ("GET", "/chat/?limit=many", None, 422),
    ("GET", "/chat/?offset=-1", None, 422),
    ("GET", "/chat/?offset=99999999999", None, 422),
    ("GET", f"/chat/messages/{UNKNOWN}?limit=-1", None, 422),
    ("GET", f"/chat/messages/{UNKNOWN}", None, 404),
    ("GET", "/chat/messages/talk", None, 404),
    ("GET", "/chat/messages/%00%F0%9F%A6%9C", None, 404),
    ("PUT", f"/chat/rename/{UNKNOWN}", {"title": "Mine"}, 404),
    ("PUT", f"/chat/rename/{UNKNOWN}", {"title": ""}, 422),
    ("PUT", f"/chat/rename/{UNKNOWN}", {"title": "x" * 256}, 422),
    ("PUT", f"/chat/rename/{UNKNOWN}", {"title": 7}, 422),
    ("PUT", f"/chat/rename/{UNKNOWN}", {}, 422),
    ("PUT", "/chat/rename/talk", {"title": "Mine"}, 404),
    ("DELETE", f"/chat/archive/{UNKNOWN}", None, 404),
    ("DELETE", "/chat/archive/talk", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD_CALLS)
async def test_a_bad_call_is_told_in_the_other_shape(
    client: Client, method: str, path: str, body: Any, status: int
) -> None:
    reply = await client.call(method, path, json=body) if body is not None else await client.call(method, path)
    assert reply.status_code == status, reply.text
    told = reply.json()
    assert told.keys() == {"error", "message"}
    assert told["error"] is True
    assert told["message"]


async def test_without_a_key_every_route_answers_401_in_its_shape(client: Client) -> None:
    routes = [
        ("POST", PROMPT, {"success": False}),
        ("POST", STREAM, {"success": False}),
        ("GET", "/chat/", {"error": True}),
        ("GET", f"/chat/messages/{UNKNOWN}", {"error": True}),
        ("DELETE", f"/chat/archive/{UNKNOWN}", {"error": True}),
    ]
    for method, path, flag in routes:
        for headers in ({}, {"authorization": "Bearer nonsense"}):
            body = {"message": "Hi"} if method == "POST" else None
            reply = await client.http.request(method, path, headers=headers, json=body)
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
            assert {**reply.json(), "message": ""} == {**flag, "message": ""}


async def test_what_is_asked_of_an_archived_chat_is_not_found(client: Client) -> None:
    chat = (await client.prompt())["chat_id"]
    await client.call("DELETE", f"/chat/archive/{chat}")
    for method, path, body in [
        ("POST", PROMPT, {"message": "Hi", "chat_id": chat}),
        ("POST", STREAM, {"message": "Hi", "chat_id": chat}),
        ("GET", f"/chat/messages/{chat}", None),
        ("PUT", f"/chat/rename/{chat}", {"title": "Mine"}),
        ("DELETE", f"/chat/archive/{chat}", None),
    ]:
        reply = await (client.call(method, path, json=body) if body else client.call(method, path))
        assert reply.status_code == 404
