"""`Generate`, cut behind any event, goes on where it was cut and sends its message once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from parley.v1 import run_pb2, run_pb2_grpc

from tests.contract.api.serving import Served, serve
from tests.support.house import ANNA

_BODY = {"conversation_key": "talk", "user_message": {"content": "Hi"}}
_ROUTE = "/api/v1/llm/gateway/generate"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as running:
        await running.house.threads.create(ANNA, name="", key="talk")
        yield running


async def _over_http(client: httpx.AsyncClient, key: str, seen: str = "") -> list[str]:
    """The events of the stream as they stand on the wire, heartbeats aside."""
    headers = {"x-api-key": key, **({"last-event-id": seen} if seen else {})}
    reply = await client.post(_ROUTE, json=_BODY, headers=headers)
    assert reply.status_code == httpx.codes.OK, reply.text
    return [event for event in reply.text.split("\n\n") if event.startswith("id: ")]


@pytest.mark.parametrize("way", ["in_process", "through_channel"])
async def test_over_http_it_continues_by_last_event_id(served: Served, way: str) -> None:
    _, key = await served.key(ANNA.owner.user, tenant=ANNA.owner.tenant)
    client: httpx.AsyncClient = getattr(served, way)
    whole = await _over_http(client, key)
    assert len(whole) > 4
    for place, event in enumerate(whole[:-1], start=1):
        seen = event.partition("\n")[0].removeprefix("id: ")
        assert await _over_http(client, key, seen) == whole[place:]
    assert [role for role, _, _ in await served.house.said()] == ["user", "assistant"]
    assert len(served.house.provider.requests) == 1


async def test_over_grpc_it_continues_by_after_sequence(served: Served) -> None:
    _, key = await served.key(ANNA.owner.user, tenant=ANNA.owner.tenant)
    stub: Any = run_pb2_grpc.RunServiceStub(served.channel)

    async def events(seen: int) -> list[bytes]:
        request = run_pb2.SendMessageRequest(
            conversation_key="talk", user_message=run_pb2.UserMessage(content="Hi"), after_sequence=seen
        )
        call = stub.Generate(request, metadata=(("x-api-key", key),))
        return [event.SerializeToString(deterministic=True) async for event in call]

    whole = await events(0)
    for seen in range(1, len(whole)):
        assert await events(seen) == whole[seen:]
    assert [role for role, _, _ in await served.house.said()] == ["user", "assistant"]


async def test_a_message_sent_again_is_another_one_to_continue(served: Served) -> None:
    _, key = await served.key(ANNA.owner.user, tenant=ANNA.owner.tenant)
    first = await _over_http(served.in_process, key)
    second = await _over_http(served.in_process, key)
    last_of_first, first_of_second = (event.partition("\n")[0].removeprefix("id: ") for event in (first[-2], second[0]))
    assert await _over_http(served.in_process, key, last_of_first) == first[-1:]
    assert await _over_http(served.in_process, key, first_of_second) == second[1:]
