"""Where a tenant does not keep events for ever, whoever would go on before what is kept is told so, at every door; what
is kept is shown as before."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from parley.v1 import run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from server.domain.ids import RunId, default_organization_id
from server.domain.principal import Owner
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve

_GATEWAY = "/api/v1/llm/gateway"
_WAYS = ("in_process", "through_channel")


@dataclass(frozen=True, slots=True)
class Talk:
    """A thread in which two questions were answered, and whose log is cut between them."""

    served: Served
    key: str
    first: list[Any]
    """The events of the first run, which are gone, and …"""
    second: list[Any]
    """… those of the second one."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The credential."""
        return (("x-api-key", self.key),)

    @property
    def runs(self) -> Any:
        """The stub of the runs."""
        return run_pb2_grpc.RunServiceStub(self.served.channel)

    def generate(self, content: str, seen: int = 0) -> Any:
        """Ask, or go on."""
        request = run_pb2.SendMessageRequest(
            conversation_key="talk", user_message=run_pb2.UserMessage(content=content), after_sequence=seen
        )
        return self.runs.Generate(request, metadata=self.metadata)

    def stream(self, run_id: str, seen: int = 0) -> Any:
        """Follow a run."""
        return self.runs.StreamRun(run_pb2.StreamRunRequest(run_id=run_id, after_sequence=seen), metadata=self.metadata)

    def watch(self, seen: int) -> Any:
        """Follow the thread."""
        return self.runs.WatchThread(
            run_pb2.WatchThreadRequest(conversation_key="talk", after_sequence=seen), metadata=self.metadata
        )


async def _drop(served: Served, run_id: str, before: datetime) -> None:
    """Drop older events of a run's conversation, as the sweep does."""
    run = await served.house.runs.get(Owner("acme", "anna"), RunId(run_id))
    dropped = await served.house.store.write_system(lambda tx: tx.drop_events(run.conversation_id, before, limit=1000))
    assert dropped > 0


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    async with serve(tmp_path) as served:
        _, key = await served.key()
        empty = Talk(served, key, [], [])
        threads: Any = thread_pb2_grpc.ThreadServiceStub(served.channel)
        await threads.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="talk"), metadata=empty.metadata)
        first = [event async for event in empty.generate("One")]
        second = [event async for event in empty.generate("Two")]
        await _drop(served, first[0].run_id, second[0].created_at.ToDatetime(UTC))
        yield Talk(served, key, first, second)


async def _reason(call: Any) -> str | None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await anext(aiter(call))
    assert refused.value.code() is grpc.StatusCode.OUT_OF_RANGE
    return refusal(refused.value).reason


async def test_who_would_see_what_is_gone_is_told_so(talk: Talk) -> None:
    run_id, middle = talk.first[0].run_id, talk.first[1].sequence
    calls = (
        *(talk.stream(run_id), talk.stream(run_id, middle), talk.watch(0), talk.watch(middle)),
        *(talk.generate("One", middle), talk.generate("One", talk.first[0].sequence)),
    )
    assert [await _reason(call) for call in calls] == ["CURSOR_EXPIRED"] * len(calls)


async def test_what_is_kept_is_shown_as_before(talk: Talk) -> None:
    run_id, last = talk.second[0].run_id, talk.first[-1].sequence
    assert [event async for event in talk.stream(run_id)] == talk.second
    for cut, event in enumerate(talk.second[:-1], start=1):
        assert [each async for each in talk.stream(run_id, event.sequence)] == talk.second[cut:]
        assert [each async for each in talk.generate("Two", event.sequence)] == talk.second[cut:]
    watching, shown = talk.watch(last), []
    async for event in watching:
        shown.append(event.sequence)
        if len(shown) == len(talk.second):
            break
    watching.cancel()
    assert shown == [event.sequence for event in talk.second]


@pytest.mark.parametrize("way", _WAYS)
async def test_over_http_it_is_an_ordinary_error(talk: Talk, way: str) -> None:
    client: httpx.AsyncClient = getattr(talk.served, way)
    body = {"conversationKey": "talk", "userMessage": {"content": "One"}}
    headers = {"x-api-key": talk.key, "last-event-id": str(talk.first[1].sequence)}
    reply = await client.post(f"{_GATEWAY}/generate", json=body, headers=headers)
    assert reply.status_code == 400
    assert "CURSOR_EXPIRED" in reply.text


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("door", ["archive", "chat", "conversations"])
async def test_every_other_door_tells_so_too(talk: Talk, door: str, way: str) -> None:
    client: httpx.AsyncClient = getattr(talk.served, way)
    headers = {"x-api-key": talk.key, "accept": "text/event-stream"}
    path, body = await _question(talk, client, door)
    whole = await client.post(path, json=body, headers=headers)
    assert whole.status_code == 200, whole.text
    seen = [line.removeprefix("id: ") for line in whole.text.splitlines() if line.startswith("id: ")]
    await _drop(talk.served, seen[0].partition(":")[0], datetime.now(UTC) + timedelta(days=1))
    resumed = await client.post(path, json=body, headers={**headers, "last-event-id": seen[0]})
    # The chat API has 422 for whatever of a request does not fit.
    assert resumed.status_code == (422 if door == "chat" else 400), resumed.text
    assert "not kept any more" in resumed.text


async def _question(talk: Talk, client: httpx.AsyncClient, door: str) -> tuple[str, dict[str, Any]]:
    """A route whose answer is a stream, and a question for it."""
    if door == "archive":
        return "/api/v3/chat", {"message": "Hi", "stream": True}
    if door == "chat":
        return "/chat/prompt/stream", {"message": "Hi"}
    headers, here = {"x-api-key": talk.key}, {"org_id": default_organization_id("acme")}
    models = await client.get("/api/llm/list", params=here, headers=headers)
    made = await client.post("/api/conversation/create", params=here, json={"title": "Talk"}, headers=headers)
    session = {"conversation_id": made.json()["id"], "model_id": models.json()[0]["id"]}
    begun = await client.post("/api/conversation/create_session", params=here, json=session, headers=headers)
    body = {"chat_session_id": begun.json()["id"], "message": "Hi"}
    return f"/api/conversation/stream_chat?org_id={here['org_id']}", body
