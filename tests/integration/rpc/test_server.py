"""The listening server: health, reflection, limits, start and stop."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # ships no stubs
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # ships no stubs
    reflection_pb2,
    reflection_pb2_grpc,
)
from parley.v1 import run_pb2, run_pb2_grpc, thread_pb2, thread_pb2_grpc

from server.rpc.server import MESSAGE_BYTES, METADATA_BYTES, RpcServer
from tests.contract.api.descriptors import methods
from tests.contract.api.serving import Served, serve

REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as running:
        yield running


def health_request(service: str = "") -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


async def test_health_needs_no_key_and_knows_every_service(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    for service in ("", "parley.v1.ThreadService", "parley.conversations.v1.ModelService"):
        assert (await stub.Check(health_request(service))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_request("nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_readiness_is_switched_and_every_watcher_is_told(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    watchers = [aiter(stub.Watch(health_request(service))) for service in ("", "", "parley.v1.RunService", "nobody")]
    assert [(await anext(watcher)).status for watcher in watchers] == [SERVING, SERVING, SERVING, UNKNOWN]
    served.services.health.set_serving(False)
    assert [(await anext(watcher)).status for watcher in watchers[:3]] == [NOT_SERVING] * 3
    assert (await stub.Check(health_request())).status == NOT_SERVING
    served.services.health.set_serving(True)
    assert [(await anext(watcher)).status for watcher in watchers[:3]] == [SERVING] * 3


async def test_a_watcher_that_leaves_takes_nothing_from_the_others(served: Served) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)
    leaving, staying = stub.Watch(health_request()), stub.Watch(health_request())
    assert (await anext(aiter(leaving))).status == (await anext(aiter(staying))).status == SERVING
    leaving.cancel()
    await stub.Check(health_request())
    served.services.health.set_serving(False)
    assert (await anext(aiter(staying))).status == NOT_SERVING


async def test_stopping_tells_the_watchers_and_lets_calls_finish(served: Served) -> None:
    second = RpcServer(services=served.services, pipeline=served.pipeline, reflection_enabled=False)
    port = await second.start("127.0.0.1:0")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        seen = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_request()))
        assert (await anext(seen)).status == SERVING
        stopping = asyncio.create_task(second.stop(60))
        assert [response.status async for response in seen] == [NOT_SERVING]
        await stopping


async def test_an_address_in_use_is_refused(served: Served) -> None:
    second = RpcServer(services=served.services, pipeline=served.pipeline, reflection_enabled=False)
    with pytest.raises(OSError, match="cannot listen on"):
        await second.start(served.address)
    await second.stop(0)


async def listed_services(channel: grpc.aio.Channel) -> set[str]:
    """The services that reflection names."""

    async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests())
    return {service.name async for response in call for service in response.list_services_response.service}


async def test_reflection_names_every_service_where_it_is_on(served: Served) -> None:
    own = {name.partition("/")[0] for name in methods()}
    assert await listed_services(served.channel) == own | {"grpc.health.v1.Health", REFLECTION}


async def test_reflection_is_not_there_where_it_is_off(tmp_path: Path) -> None:
    async with serve(tmp_path, reflection_enabled=False) as served:
        ask: Any = served.channel.unary_unary(f"/{REFLECTION}/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused(served: Served) -> None:
    _, key = await served.key()
    stub = thread_pb2_grpc.ThreadServiceStub(served.channel)
    metadata = (("x-api-key", key),)
    await stub.CreateThread(thread_pb2.CreateThreadRequest(conversation_key="talk"), metadata=metadata)
    request = run_pb2.SendMessageRequest(conversation_key="talk", user_message=run_pb2.UserMessage(content=""))
    request.user_message.content = "x" * (MESSAGE_BYTES + 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await run_pb2_grpc.RunServiceStub(served.channel).SendMessage(request, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_over_the_limit_is_refused_every_time(served: Served) -> None:
    stub = thread_pb2_grpc.ThreadServiceStub(served.channel)
    for _ in range(5):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListThreads(thread_pb2.ListThreadsRequest(), metadata=(("x-api-key", "x" * METADATA_BYTES),))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_connection_too_many_is_closed_and_the_others_stay(served: Served) -> None:
    limited = RpcServer(services=served.services, pipeline=served.pipeline, reflection_enabled=False, connections=1)
    address = f"127.0.0.1:{await limited.start('127.0.0.1:0')}"
    # Channels to one address would share a connection otherwise.
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with (
        grpc.aio.insecure_channel(address, options=own) as first,
        grpc.aio.insecure_channel(address, options=own) as second,
    ):
        stub = health_pb2_grpc.HealthStub(first)
        assert (await stub.Check(health_request())).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(second).Check(health_request(), timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await stub.Check(health_request())).status == SERVING
    await limited.stop(0)
