"""A model's thoughts reach every viewer: from the bytes of its server to gRPC, server-sent events and lists."""

from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from parley.v1.event_pb2 import Event
from parley.v1.run_pb2 import SendMessageRequest, UserMessage
from parley.v1.run_pb2_grpc import RunServiceStub

from tests.e2e.service import Service, running
from tests.e2e.sse import read
from tests.support.upstream import Reasoning, ScriptedUpstream, answer

pytestmark = pytest.mark.timeout(180)

_GATEWAY = "/api/v1/llm/gateway"
_SENT: Any = {"conversation_key": "k", "user_message": {"role": "user", "content": "hi"}}


async def over_grpc(service: Service) -> list[Event]:
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        stub: Any = RunServiceStub(channel)
        request = SendMessageRequest(conversation_key="k", user_message=UserMessage(content="hi"))
        return [event async for event in stub.Generate(request, metadata=[("x-api-key", service.development_key)])]


async def over_sse(client: httpx.AsyncClient) -> list[tuple[str, Any]]:
    reply = (await client.post(f"{_GATEWAY}/generate", json=_SENT)).raise_for_status()
    return [(event.name, event.data) for event in read(reply)]


async def test_thoughts_in_either_spelling_go_from_the_model_to_every_viewer(data: Path) -> None:
    async with ScriptedUpstream() as upstream:
        upstream.script(
            answer(Reasoning("hm, "), Reasoning("well", "reasoning"), "Hello", Reasoning(" so", "reasoning"), " there"),
            answer(Reasoning("hm, ", "reasoning"), Reasoning("well"), "Hello", Reasoning(" so"), " there"),
        )
        env = {"PARLEY_OPENAI_BASE_URL": upstream.base_url, "PARLEY_DEFAULT_MODEL": "thinker"}
        with running(data, env=env) as service:
            key = {"X-API-Key": service.development_key}
            async with httpx.AsyncClient(base_url=service.base, headers=key, timeout=30, trust_env=False) as client:
                await client.post(f"{_GATEWAY}/create-thread", json={"conversation_key": "k"})
                events = await over_grpc(service)
                assert "".join(event.reasoning_delta.text for event in events) == "hm, well so"
                assert "".join(event.text_delta.text for event in events) == "Hello there"
                shown = await over_sse(client)
                deltas = [each["reasoningDelta"]["text"] for name, each in shown if name == "reasoning_delta"]
                assert "".join(deltas) == "hm, well so"
                state = (await client.post(f"{_GATEWAY}/conversation-state", json={"conversation_key": "k"})).json()
                listed = (await client.post(f"{_GATEWAY}/list-messages", json={"conversation_key": "k"})).json()
                for messages in (state["messages"], listed["messages"]):
                    answers = [message for message in messages if message["role"] == "assistant"]
                    assert [(each["content"], each["reasoningContent"]) for each in answers] == [
                        *[("Hello there", "hm, well so")] * 2
                    ]
