"""Streams of a thread that is destroyed end with NOT_FOUND on every transport, and do not break off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from parley.v1 import run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve

_GATEWAY = "/api/v1/llm/gateway"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Served, tuple[tuple[str, str], ...], str, str]]:
    """A service, a credential, a run that goes on in the thread `talk`, and one that waits."""
    async with serve(tmp_path, provider=DirectedProvider()) as running:
        _, key = await running.key()
        metadata = (("x-api-key", key),)
        threads = thread_pb2_grpc.ThreadServiceStub(running.channel)
        runs = run_pb2_grpc.RunServiceStub(running.channel)
        await threads.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="talk"), metadata=metadata)
        request = run_pb2.SendMessageRequest(conversation_key="talk", user_message=run_pb2.UserMessage(content="hold"))
        sent = [await runs.SendMessage(request, metadata=metadata) for _ in range(2)]
        yield running, metadata, sent[0].run_id, sent[1].run_id


async def _grpc_end(stream: Any, seen: asyncio.Event) -> str | None:
    """Why a stream ended."""
    try:
        async for _ in stream:
            seen.set()
    except grpc.aio.AioRpcError as error:
        return refusal(error).reason
    return None


async def _sse_end(client: httpx.AsyncClient, path: str, body: dict[str, Any], key: str, seen: asyncio.Event) -> str:
    """The last event of a stream."""
    lines: list[str] = []
    headers = {"x-api-key": key}
    async with client.stream("POST", path, json=body, headers=headers) as reply:
        async for line in reply.aiter_lines():
            seen.set()
            lines.append(line)
    return "\n".join(lines[lines.index("event: error") :])


async def test_every_stream_of_a_deleted_thread_ends_with_not_found(
    served: tuple[Served, tuple[tuple[str, str], ...], str, str],
) -> None:
    running, metadata, active, waiting = served
    stub = run_pb2_grpc.RunServiceStub(running.channel)
    streams = [
        stub.WatchThread(run_pb2.WatchThreadRequest(conversation_key="talk"), metadata=metadata),
        *(stub.StreamRun(run_pb2.StreamRunRequest(run_id=run), metadata=metadata) for run in (active, waiting)),
    ]
    key = metadata[0][1]
    routes = [(f"{_GATEWAY}/watch-thread", {"conversation_key": "talk"})]
    routes += [(f"{_GATEWAY}/stream-run", {"run_id": run}) for run in (active, waiting)]
    views = [(client, path, body) for client in (running.in_process, running.through_channel) for path, body in routes]
    seen = [asyncio.Event() for _ in [*streams, *views]]
    over_grpc = [asyncio.create_task(_grpc_end(stream, seen[place])) for place, stream in enumerate(streams)]
    over_http = [
        asyncio.create_task(_sse_end(*view, key, seen[place])) for place, view in enumerate(views, len(streams))
    ]
    async with asyncio.timeout(30):
        await asyncio.gather(*(each.wait() for each in seen))
        threads = thread_pb2_grpc.ThreadServiceStub(running.channel)
        await threads.DeleteThread(thread_pb2.DeleteThreadRequest(conversation_key="talk"), metadata=metadata)
        reasons = await asyncio.gather(*over_grpc)
        ends = await asyncio.gather(*over_http)
    assert reasons == ["CONVERSATION_NOT_FOUND", "RUN_NOT_FOUND", "RUN_NOT_FOUND"]
    for end, reason in zip(ends, reasons * 2, strict=True):
        assert reason is not None
        assert reason in end


async def test_answers_of_a_deleted_conversation_end_by_the_name_that_their_callers_know(tmp_path: Path) -> None:
    """Three doors know no runs: their streams say that the conversation is gone."""
    async with serve(tmp_path, provider=DirectedProvider()) as running:
        _, key = await running.key()
        client, headers = running.in_process, {"x-api-key": key}
        organization = (await client.get("/api/org/list", headers=headers)).json()[0]["id"]
        model = (await client.get(f"/api/llm/list?org_id={organization}", headers=headers)).json()[0]["id"]
        ends = await asyncio.gather(
            *(_end_by_deletion(client, key, organization, model, door) for door in ("chat", "archive", "session"))
        )
    for end, conversation in ends:
        assert conversation in end
        assert "run_" not in end


async def _end_by_deletion(
    client: httpx.AsyncClient, key: str, organization: str, model: str, door: str
) -> tuple[str, str]:
    """How the stream of an answer through a door ends when its conversation is destroyed, and the conversation's id."""
    headers, query, seen = {"x-api-key": key}, f"?org_id={organization}", asyncio.Event()
    made = await client.post(f"/api/conversation/create{query}", json={"title": door}, headers=headers)
    conversation = made.json()["id"]
    session = await client.post(
        f"/api/conversation/create_session{query}",
        json={"conversation_id": conversation, "model_id": model},
        headers=headers,
    )
    path, body = {
        "chat": ("/chat/prompt/stream", {"chat_id": conversation, "message": "hold"}),
        "archive": ("/api/v3/chat", {"conversation_id": conversation, "message": "hold", "stream": True}),
        "session": (
            f"/api/conversation/stream_chat{query}",
            {"chat_session_id": session.json()["id"], "message": "hold"},
        ),
    }[door]
    end = asyncio.create_task(_sse_end(client, path, body, key, seen))
    async with asyncio.timeout(30):
        await seen.wait()
        await client.delete(f"/api/conversation/remove{query}&conversation_id={conversation}", headers=headers)
        return await end, conversation
