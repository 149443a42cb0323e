"""The two upstreams behave alike: limits, failures at every place of a stream, slow readers, shutdown, interceptors."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from grpc import aio

from gateway.config import GatewayConfig
from tests.support.toy import compiled
from tests.support.toy.served import Served, serving

MIB4 = 4 * 1024 * 1024
ROOM = GatewayConfig(body_limit=2 * MIB4, stream_hold=0.3)


def of_size(size: int) -> str:
    """Give the JSON of a `Script` whose message has exactly this size."""
    overhead = compiled().pb2.Script(payload="x" * (MIB4 // 2)).ByteSize() - MIB4 // 2
    body = json.dumps({"payload": "x" * (size - overhead)})
    assert compiled().pb2.Script(payload="x" * (size - overhead)).ByteSize() == size
    return body


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
async def test_a_request_message_of_4_mib_passes_and_one_more_byte_does_not(kind: str, over: int, status: int) -> None:
    async with serving(kind, config=ROOM) as served:
        reply = await served.client.post(
            "/v1/act", content=of_size(MIB4 + over), headers={"content-type": "application/json"}
        )
        assert reply.status_code == status
        if over:
            assert reply.json()["code"] == "RESOURCE_EXHAUSTED"
            assert f"Received message larger than max ({MIB4 + 1} vs. {MIB4})" in reply.json()["text"]


class Weighing(aio.ServerInterceptor):
    """Makes replies of `Act` weigh exactly what `x-request-id` says."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        size = int(dict(details.invocation_metadata)["x-request-id"])

        async def weigh(request: Any, context: Any) -> Any:
            pb2 = compiled().pb2
            overhead = pb2.Result(text="x" * (MIB4 // 2)).ByteSize() - MIB4 // 2
            return pb2.Result(text="x" * (size - overhead))

        handler = await continuation(details)
        return grpc.unary_unary_rpc_method_handler(weigh, handler.request_deserializer, handler.response_serializer)


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
async def test_a_reply_message_of_4_mib_passes_and_one_more_byte_does_not(kind: str, over: int, status: int) -> None:
    async with serving(kind, interceptors=[Weighing()]) as served:
        reply = await served.client.get("/v1/act", headers={"x-request-id": str(MIB4 + over)})
        assert reply.status_code == status
        if over:
            assert f"Received message larger than max ({MIB4 + 1} vs. {MIB4})" in reply.json()["text"]


async def test_a_stream_message_over_the_limit_ends_the_stream(kind: str) -> None:
    async with serving(kind) as served:
        reply = await served.client.get(f"/v1/stream?events=2&size={MIB4}")
        assert (reply.status_code, reply.json()["code"]) == (413, "RESOURCE_EXHAUSTED")


async def test_reply_metadata_just_below_8_kib_passes(kind: str) -> None:
    async with serving(kind) as served:
        assert (await served.client.get("/v1/act?metadata_size=7900")).status_code == 200


@pytest.mark.parametrize("size", [8160, 9000, 20000])
async def test_reply_metadata_above_8_kib_never_passes(kind: str, size: int) -> None:
    async with serving(kind) as served:
        for _ in range(3):
            reply = await served.client.get(f"/v1/act?metadata_size={size}")
            assert (reply.status_code, reply.json()["code"]) == (431, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(("size", "status"), [(7200, 200), (7600, 431)])
async def test_request_metadata_just_below_and_above_8_kib(kind: str, size: int, status: int) -> None:
    """Of the 8 KiB three quarters of one are kept for what HTTP/2 and grpc add to a call's metadata."""
    async with serving(kind) as served:
        for _ in range(3):
            reply = await served.client.get("/v1/act", headers={"x-api-key": "k" * size})
            assert reply.status_code == status


@pytest.mark.parametrize("events", [0, 1, 3])
async def test_the_same_status_at_every_place_of_a_stream(kind: str, events: int) -> None:
    async with serving(kind, config=ROOM) as served:
        text = (await served.client.get(f"/v1/stream?events={events}&code=7&message=no&reason=WHY")).text
    error = json.loads(text.rpartition("data: ")[2] if events else text)
    assert (error["code"], error["why"], error["text"], error["meta"]) == (
        "PERMISSION_DENIED",
        "WHY",
        "no",
        {"name": "Duck"},
    )


async def test_a_stream_advances_only_as_its_reader_does(kind: str) -> None:
    """A reader that stands still stops the servicer, at what the buffers in between hold; one that reads gets all."""
    events, size = 4000, 20_000
    async with serving(kind, config=ROOM) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=2**16)
        writer.write(f"GET /v1/stream?events={events}&size={size} HTTP/1.1\r\nhost: toy\r\n\r\n".encode())
        await reader.readuntil(b"id: 1\n")
        produced = await stalled(served)
        assert produced < events / 2
        rest = 0
        while chunk := await reader.read(2**20):
            rest += len(chunk)
            if b"event: end" in chunk[-100:]:
                break
        assert served.record.produced == events
        assert rest > size * (events - 1)
        writer.close()


async def stalled(served: Served) -> int:
    """Wait until the servicer hands nothing over any more; give how much it did."""
    before = -1
    async with asyncio.timeout(15):
        while served.record.produced != before:
            before = served.record.produced
            await asyncio.sleep(0.3)  # an observation window, not a wait for anything to become true
    return before


async def test_a_slow_stream_does_not_hold_up_others(kind: str) -> None:
    async with serving(kind, config=ROOM) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=2**16)
        writer.write(b"GET /v1/stream?events=4000&size=20000 HTTP/1.1\r\nhost: toy\r\n\r\n")
        await asyncio.wait_for(served.record.started.wait(), 5)
        reply = await served.client.get("/v1/stream?events=3")
        assert reply.text.count("event: tick") == 3
        writer.close()


async def test_a_server_that_stops_in_mid_stream_ends_it_with_an_error_event(kind: str) -> None:
    async with (
        serving(kind, config=ROOM) as served,
        served.client.stream("GET", "/v1/stream?events=1&linger=true") as reply,
    ):
        pieces = reply.aiter_text()
        assert "tick 1" in await anext(pieces)
        await served.backend.stop(0.05)
        rest = "".join([piece async for piece in pieces])
    error = json.loads(rest.partition("event: error\ndata: ")[2])
    assert (error["code"], error["http"]) == ("UNAVAILABLE", 503)


async def test_a_server_that_has_stopped_is_503(kind: str) -> None:
    async with serving(kind) as served:
        await served.client.get("/v1/act")
        await served.backend.stop(0)
        for path in ("/v1/act", "/v1/stream"):
            reply = await served.client.get(path)
            assert (reply.status_code, reply.json()["code"]) == (503, "UNAVAILABLE")
            assert "127.0.0.1" not in reply.text


async def test_an_exception_after_a_code_was_set_keeps_the_code(kind: str) -> None:
    class Setting(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            async def fail(request: Any, context: Any) -> Any:
                context.set_code(grpc.StatusCode.DATA_LOSS)
                raise ValueError("secret")

            handler = await continuation(details)
            return grpc.unary_unary_rpc_method_handler(fail, handler.request_deserializer, handler.response_serializer)

    async with serving(kind, interceptors=[Setting()]) as served:
        reply = await served.client.get("/v1/act")
    assert (reply.json()["code"], reply.json()["text"]) == ("DATA_LOSS", "Unexpected error in the service.")


Servicer = Callable[[Any, Any], Awaitable[Any]]
SCRIPTS: dict[str, tuple[Servicer, str, str]] = {}


def script(code: str, text: str) -> Callable[[Servicer], Servicer]:
    """Register a servicer method that is to end with this code and text."""

    def register(function: Servicer) -> Servicer:
        SCRIPTS[function.__name__] = (function, code, text)
        return function

    return register


@script("NOT_FOUND", "gone")
async def sets_code_and_details(request: Any, context: Any) -> Any:
    context.set_code(grpc.StatusCode.NOT_FOUND)
    context.set_details("gone")
    assert (context.code(), context.details()) == (grpc.StatusCode.NOT_FOUND, "gone")
    return compiled().pb2.Result(text="dropped")


@script("ABORTED", "first")
async def swallows_its_abort(request: Any, context: Any) -> Any:
    try:
        await context.abort(grpc.StatusCode.ABORTED, "first")
    except Exception:  # noqa: BLE001 - the trap itself: AbortError is an ordinary exception
        return compiled().pb2.Result(text="dropped")


@script("ABORTED", "first")
async def aborts_twice(request: Any, context: Any) -> Any:
    try:
        await context.abort(grpc.StatusCode.ABORTED, "first")
    except aio.AbortError as error:
        with pytest.raises(aio.UsageError):
            await context.abort(grpc.StatusCode.NOT_FOUND, "second")
        raise error from None


@script("UNKNOWN", "Unexpected error in the service.")
async def gives_another_type(request: Any, context: Any) -> Any:
    return "no message"


@script("UNKNOWN", "Unexpected error in the service.")
async def gives_nothing(request: Any, context: Any) -> Any:
    return None


@script("UNKNOWN", "Unexpected error in the service.")
async def sends_initial_metadata_twice(request: Any, context: Any) -> Any:
    await context.send_initial_metadata((("a", "b"),))
    await context.send_initial_metadata((("a", "b"),))


@script("UNKNOWN", "Unexpected error in the service.")
async def sets_metadata_of_a_wrong_type(request: Any, context: Any) -> Any:
    context.set_trailing_metadata(5)


@script("INTERNAL", "Invalid metadata")
async def sets_metadata_that_cannot_be_sent(request: Any, context: Any) -> Any:
    context.set_trailing_metadata((("key", "line\nbreak"),))
    return compiled().pb2.Result()


@script("UNIMPLEMENTED", "later")
async def aborts_with_a_status(request: Any, context: Any) -> Any:
    class Status(grpc.Status):
        code, details, trailing_metadata = grpc.StatusCode.UNIMPLEMENTED, "later", (("a", "b"),)

    await context.abort_with_status(Status())


@script("OK", "")
async def sees_a_fresh_context(request: Any, context: Any) -> Any:
    assert (context.code(), context.details(), context.trailing_metadata()) == (None, "", ())
    assert (context.cancelled(), context.done()) == (False, False)
    assert (context.peer_identities(), context.peer_identity_key()) == (None, None)
    first = context.invocation_metadata()[-1]
    assert (first.key, first.value) == tuple(first)
    context.set_compression(grpc.Compression.Gzip)
    context.disable_next_message_compression()
    return compiled().pb2.Result()


class Replacing(aio.ServerInterceptor):
    """Puts a function in the place of each unary handler."""

    def __init__(self, function: Any) -> None:
        self._function = function

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        return grpc.unary_unary_rpc_method_handler(
            self._function, handler.request_deserializer, handler.response_serializer
        )


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_context_is_that_of_grpc(kind: str, name: str) -> None:
    function, code, text = SCRIPTS[name]
    async with serving(kind, interceptors=[Replacing(function)]) as served:
        reply = await served.client.get("/v1/act")
    if code == "OK":
        assert reply.status_code == 200, reply.text
    else:
        assert (reply.json()["code"], reply.json()["text"]) == (code, text)


@pytest.mark.parametrize("path", ["/v1/act", "/v1/act?code=5", "/v1/act?crash=x", "/v1/stream?events=1"])
async def test_done_callbacks_run_when_the_call_is_over(kind: str, path: str) -> None:
    over = asyncio.Event()

    class Noting(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            handler = await continuation(details)
            inner = handler.unary_unary

            async def unary(request: Any, context: Any) -> Any:
                context.add_done_callback(lambda _: over.set())
                return await inner(request, context)

            async def stream(request: Any, context: Any) -> Any:
                context.add_done_callback(lambda _: over.set())
                async for message in handler.unary_stream(request, context):
                    yield message

            if inner is None:
                return grpc.unary_stream_rpc_method_handler(
                    stream, handler.request_deserializer, handler.response_serializer
                )
            return grpc.unary_unary_rpc_method_handler(unary, handler.request_deserializer, handler.response_serializer)

    async with serving(kind, interceptors=[Noting()]) as served:
        await served.client.get(path)
        await asyncio.wait_for(over.wait(), 5)


async def test_interceptors_run_in_order_for_each_call(kind: str) -> None:
    order: list[str] = []

    class Named(aio.ServerInterceptor):
        def __init__(self, name: str) -> None:
            self._name = name

        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            order.append(f"{self._name} {details.method}")
            return await continuation(details)

    async with serving(kind, interceptors=[Named("outer"), Named("inner")]) as served:
        await served.client.get("/v1/act")
        await served.client.get("/v1/act")
    assert order == ["outer /toy.v1.Calls/Act", "inner /toy.v1.Calls/Act"] * 2


async def test_an_unknown_method_is_unimplemented(kind: str) -> None:
    class Hiding(aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, details: Any) -> Any:
            return None

    async with serving(kind, interceptors=[Hiding()]) as served:
        for path in ("/v1/act", "/v1/stream"):
            reply = await served.client.get(path)
            assert (reply.status_code, reply.json()["text"]) == (501, "Method not found!")


async def test_a_channel_that_is_closed_ends_its_calls_as_unavailable() -> None:
    async with (
        serving("channel", config=ROOM) as served,
        served.client.stream("GET", "/v1/stream?events=1&linger=true") as reply,
    ):
        waiting = asyncio.create_task(served.client.get("/v1/act?linger=true"))
        pieces = reply.aiter_text()
        assert "tick 1" in await anext(pieces)
        while served.record.calls < 2:
            await served.client.get("/healthz")
        await served.upstream.stop()  # type: ignore[attr-defined]
        assert "UNAVAILABLE" in "".join([piece async for piece in pieces])
        assert (await waiting).status_code == 503
        for path in ("/v1/act", "/v1/stream"):
            assert (await served.client.get(path)).status_code == 503
