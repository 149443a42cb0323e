"""Whoever is erased is out at once: streams end and say why, keys open nothing, and only the audit tells of it."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from parley.v1 import data_pb2, data_pb2_grpc, run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from server.domain.audit import Act, AuditFilter
from server.domain.principal import Owner
from tests.contract.api.directed_provider import DirectedProvider
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import Served, serve
from tests.integration.rpc.manual_clock import ManualClock

Metadata = tuple[tuple[str, str], ...]
_GATEWAY = "/api/v1/llm/gateway"
_PATIENCE = 60


async def _held(served: Served, metadata: Metadata) -> str:
    """A run that goes on in the thread `talk` until somebody ends it."""
    threads = thread_pb2_grpc.ThreadServiceStub(served.channel)
    await threads.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="talk"), metadata=metadata)
    request = run_pb2.SendMessageRequest(conversation_key="talk", user_message=run_pb2.UserMessage(content="hold"))
    runs = run_pb2_grpc.RunServiceStub(served.channel)
    return str((await runs.SendMessage(request, metadata=metadata)).run_id)


async def _erased(served: Served, metadata: Metadata, user: str) -> data_pb2.EraseUserResponse:
    data: Any = data_pb2_grpc.DataServiceStub(served.channel)
    begun: data_pb2.EraseUserResponse = await data.EraseUser(
        data_pb2.EraseUserRequest(user=user, confirm_user=user), metadata=metadata
    )
    return begun


async def _ended(served: Served, metadata: Metadata, erasure_id: str) -> data_pb2.Erasure:
    """The erasure, once it is done."""
    data: Any = data_pb2_grpc.DataServiceStub(served.channel)
    while True:
        found: data_pb2.Erasure = await data.GetErasure(data_pb2.GetErasureRequest(id=erasure_id), metadata=metadata)
        if found.HasField("ended_at"):
            return found
        await asyncio.sleep(0.05)


async def _end(stream: Any, seen: asyncio.Event) -> str | None:
    """Why a stream ended."""
    try:
        async for _ in stream:
            seen.set()
    except grpc.aio.AioRpcError as error:
        return refusal(error).reason
    return None


async def _http_end(client: Any, path: str, body: dict[str, str], key: str, seen: asyncio.Event) -> str:
    """The last event of a stream."""
    lines: list[str] = []
    async with client.stream("POST", f"{_GATEWAY}/{path}", json=body, headers={"x-api-key": key}) as reply:
        async for line in reply.aiter_lines():
            seen.set()
            lines.append(line)
    return "\n".join(lines[lines.index("event: error") :])


async def test_live_streams_of_the_user_end_and_say_why_and_the_model_is_stopped(tmp_path: Path) -> None:
    provider = DirectedProvider()
    async with serve(tmp_path, provider=provider) as served, asyncio.timeout(_PATIENCE):
        (_, bert), (_, anna) = await served.key("bert"), await served.key("anna")
        run_id = await _held(served, (("x-api-key", bert),))
        stub = run_pb2_grpc.RunServiceStub(served.channel)
        metadata = (("x-api-key", bert),)
        watching = stub.WatchThread(run_pb2.WatchThreadRequest(conversation_key="talk"), metadata=metadata)
        following = stub.StreamRun(run_pb2.StreamRunRequest(run_id=run_id), metadata=metadata)
        seen = [asyncio.Event() for _ in range(4)]
        streams = [asyncio.create_task(_end(*each)) for each in zip((watching, following), seen, strict=False)]
        views = [
            asyncio.create_task(
                _http_end(served.in_process, "watch-thread", {"conversation_key": "talk"}, bert, seen[2])
            ),
            asyncio.create_task(_http_end(served.through_channel, "stream-run", {"run_id": run_id}, bert, seen[3])),
        ]
        await asyncio.gather(*(each.wait() for each in seen))
        begun = await _erased(served, (("x-api-key", anna),), "bert")
        reasons = await asyncio.gather(*streams)
        ends = await asyncio.gather(*views)
        await _ended(served, (("x-api-key", anna),), begun.erasure_id)
        assert reasons == ["CONVERSATION_NOT_FOUND", "RUN_NOT_FOUND"]
        assert [reason in end for reason, end in zip(reasons, ends, strict=True) if reason] == [True, True]
        assert provider.holding == 0


async def test_a_key_of_the_user_opens_nothing_after_a_second(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serve(tmp_path, clock=clock) as served:
        keys = [(("x-api-key", (await served.key("bert"))[1]),) for _ in range(2)]
        _, other = await served.key("anna")
        threads: Any = thread_pb2_grpc.ThreadServiceStub(served.channel)
        for metadata in keys:
            await threads.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata)
        await _erased(served, (("x-api-key", other),), "bert")
        # At once, not when the erasure is done; a second is how long a key is taken for what it was.
        clock.move(1.0)
        for metadata in keys:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await threads.ListThreads(thread_pb2.ListThreadsRequest(), metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert refusal(refused.value).reason == "KEY_INVALID"
        await threads.ListThreads(thread_pb2.ListThreadsRequest(), metadata=(("x-api-key", other),))


async def test_the_audit_tells_who_had_it_done_and_that_it_is(tmp_path: Path) -> None:
    async with serve(tmp_path) as served, asyncio.timeout(_PATIENCE):
        await served.key("bert")
        _, key = await served.key("anna")
        begun = await _erased(served, (("x-api-key", key),), "bert")
        ended = await _ended(served, (("x-api-key", key),), begun.erasure_id)
        assert ended.pseudonym == begun.pseudonym
        records = await served.house.store.read(
            Owner("acme", "anna"), lambda tx: tx.audit.of_tenant(AuditFilter(), limit=99, after=None)
        )
        about = {record.deed.act: record for record in records if record.deed.object == begun.erasure_id}
        assert set(about) == {Act.ERASURE_REQUESTED, Act.ERASURE_ENDED}
        assert {record.actor for record in about.values()} == {"anna"}
        assert about[Act.ERASURE_ENDED].subject == begun.pseudonym
        assert "bert" not in repr(records)
