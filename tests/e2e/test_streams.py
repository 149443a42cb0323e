"""Streams from outside: over gRPC with the generated stubs, over HTTP as server-sent events, resumed anywhere."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc.aio
import httpx
import pytest
from parley.v1.event_pb2 import Event
from parley.v1.run_pb2 import SendMessageRequest, StreamRunRequest, UserMessage
from parley.v1.run_pb2_grpc import RunServiceStub
from parley.v1.thread_pb2 import CreateThreadRequest, GetConversationStateRequest
from parley.v1.thread_pb2_grpc import ThreadServiceStub

from tests.e2e import sse
from tests.e2e.service import Service

# Processes start and stop here; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def thread(client: httpx.Client) -> str:
    key = f"thread-{uuid4().hex}"
    client.post(f"{_GATEWAY}/create-thread", json={"name": "Streams", "conversation_key": key}).raise_for_status()
    return key


def message(thread: str, text: str) -> dict[str, Any]:
    return {"conversation_key": thread, "user_message": {"role": "user", "content": text}}


def stream(client: httpx.Client, route: str, body: dict[str, Any], **headers: str) -> list[sse.ServerSentEvent]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.stream("POST", f"{_GATEWAY}/{route}", json=body, headers=named) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        return list(sse.read(reply))


def joined(events: list[sse.ServerSentEvent]) -> str:
    return "".join(event.data["textDelta"]["text"] for event in events if event.name == "text_delta")


def test_an_answer_streams_as_events_with_increasing_ids(client: httpx.Client, thread: str) -> None:
    events = stream(client, "generate", message(thread, "tell me"))
    assert events[0].name == "run_started"
    assert events[-1].name == "run_ended"
    assert events[-1].data["runEnded"]["status"] == "COMPLETED"
    ids = [int(event.id) for event in events]
    assert ids == sorted(set(ids))
    assert joined(events).startswith("You said: tell me")
    assert len([event for event in events if event.name == "text_delta"]) > 1


def test_a_stream_goes_on_behind_the_last_event_id(client: httpx.Client, thread: str) -> None:
    whole = stream(client, "generate", message(thread, "tell me more"))
    run_id = whole[0].data["runId"]
    for seen in (0, 1, len(whole) // 2, len(whole) - 1):
        after = whole[seen - 1].id if seen else "0"
        assert stream(client, "stream-run", {"run_id": run_id}, Last_Event_ID=after) == whole[seen:]
        assert stream(client, "stream-run", {"run_id": run_id, "after_sequence": after}) == whole[seen:]


def test_a_cursor_that_does_not_exist_yet_is_refused(client: httpx.Client, thread: str) -> None:
    run_id = stream(client, "generate", message(thread, "now"))[0].data["runId"]
    reply = client.post(f"{_GATEWAY}/stream-run", json={"run_id": run_id}, headers={"Last-Event-ID": "9999"})
    assert reply.status_code == 400
    assert "9999" in reply.json()["error"]["message"]


async def test_the_stubs_see_what_http_sees(service: Service) -> None:
    key = f"thread-{uuid4().hex}"
    metadata = [("x-api-key", service.development_key)]
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        threads, runs = ThreadServiceStub(channel), RunServiceStub(channel)
        await threads.CreateThread(CreateThreadRequest(name="Stubs", conversation_key=key), metadata=metadata)
        request = SendMessageRequest(conversation_key=key, user_message=UserMessage(content="over gRPC"))
        events = [event async for event in runs.Generate(request, metadata=metadata)]
        again = runs.StreamRun(
            StreamRunRequest(run_id=events[0].run_id, after_sequence=events[2].sequence), metadata=metadata
        )
        assert [event async for event in again] == events[3:]
        state = await threads.GetConversationState(GetConversationStateRequest(conversation_key=key), metadata=metadata)
    assert state.messages[-1].content == "".join(event.text_delta.text for event in events)

    def over_http() -> list[sse.ServerSentEvent]:
        with service.client() as client:
            return stream(client, "stream-run", {"run_id": events[0].run_id})

    assert [int(event.id) for event in await asyncio.to_thread(over_http)] == [event.sequence for event in events]


async def test_a_viewer_may_come_late_and_leave_early(service: Service) -> None:
    key = f"thread-{uuid4().hex}"
    metadata = [("x-api-key", service.development_key)]
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        threads, runs = ThreadServiceStub(channel), RunServiceStub(channel)
        await threads.CreateThread(CreateThreadRequest(name="Viewers", conversation_key=key), metadata=metadata)
        request = SendMessageRequest(conversation_key=key, user_message=UserMessage(content="one two three four"))
        first = runs.Generate(request, metadata=metadata)
        seen: list[Event] = []
        async for event in first:
            seen.append(event)
            if event.HasField("text_delta"):
                break
        first.cancel()
        rest = runs.StreamRun(
            StreamRunRequest(run_id=seen[0].run_id, after_sequence=seen[-1].sequence), metadata=metadata
        )
        events = seen + [event async for event in rest]
    assert events[-1].run_ended.status == "COMPLETED"
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
