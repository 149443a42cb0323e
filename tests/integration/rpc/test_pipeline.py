"""The pipeline around toy servicers on a real server: request ids, errors, validation, records, deadlines."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from parley.v1 import event_pb2, message_pb2, run_pb2, run_pb2_grpc
from structlog.testing import capture_logs
from structlog.typing import EventDict

from server.adapters.feed.local import LocalFeed
from server.adapters.store import open_store
from server.adapters.system import SystemClock, SystemIds
from server.application.audit import Audit
from server.application.authentication import Authenticator
from server.application.key_operation import Keys
from server.application.key_uses import KeyUses
from server.application.keys import KeyFactory
from server.application.known_keys import KnownKeys
from server.application.refusals import Refusals
from server.domain.principal import Owner
from server.rpc.interceptors.call import owner
from server.rpc.interceptors.door import door
from server.rpc.interceptors.pipeline import Pipeline
from server.rpc.metrics import Metrics
from tests.contract.api.refusal import refusal
from tests.contract.api.serving import PEPPER, UNLIMITED

SECRET = "what a caller wrote"
GET = run_pb2.GetRunRequest(run_id="run_1")
STREAM = run_pb2.StreamRunRequest(run_id="run_1")


class Toy(run_pb2_grpc.RunServiceServicer):
    """Does what the test says."""

    def __init__(self) -> None:
        self.get: Callable[[Any], Awaitable[run_pb2.Run]] = self._answer
        self.stream: Callable[[], AsyncGenerator[event_pb2.Event, None]] = self._count

    async def GetRun(self, request: run_pb2.GetRunRequest, context: Any) -> run_pb2.Run:
        return await self.get(context)

    async def StreamRun(self, request: run_pb2.StreamRunRequest, context: Any) -> AsyncGenerator[event_pb2.Event, None]:
        async for event in self.stream():
            yield event

    async def SendMessage(self, request: run_pb2.SendMessageRequest, context: Any) -> run_pb2.SendMessageResponse:
        raise AssertionError("only invalid requests are sent")

    EditMessage = Regenerate = None  # type: ignore[assignment]  # never called
    Generate = WatchThread = ListRuns = CancelRun = GetRunPrompt = None  # type: ignore[assignment]  # never called

    async def _answer(self, context: Any) -> run_pb2.Run:
        return run_pb2.Run(id=owner().user)

    async def _count(self) -> AsyncGenerator[event_pb2.Event, None]:
        for sequence in (1, 2):
            yield event_pb2.Event(sequence=sequence)


@dataclass(frozen=True, slots=True)
class Toys:
    """The toy on its server, and what the pipeline recorded."""

    toy: Toy
    stub: run_pb2_grpc.RunServiceStub
    channel: grpc.aio.Channel
    key: str
    metrics: Metrics
    logged: list[EventDict] = field(default_factory=list)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """A good credential."""
        return (("x-api-key", self.key),)

    async def line(self) -> EventDict:
        """The record of the one call, once it is there: a client may know of the end before the server is through."""
        # Polled, because the captured log tells nobody that it grew.
        while not (lines := [entry for entry in self.logged if entry["event"] == "call"]):  # noqa: ASYNC110
            await asyncio.sleep(0)
        (line,) = lines
        return line


@asynccontextmanager
async def toys(folder: Path, *, unary_seconds: float | None = None) -> AsyncIterator[Toys]:
    clock, ids, factory, metrics, toy = SystemClock(), SystemIds(), KeyFactory(PEPPER), Metrics(), Toy()
    async with open_store(f"sqlite+aiosqlite:///{folder / 'keys.db'}", feed=LocalFeed()) as store:
        audit = Audit(clock=clock, ids=ids)
        keys = Keys(store=store, clock=clock, ids=ids, factory=factory, audit=audit)
        _, key = await keys.create(Owner("acme", "anna"), scopes=["*"])
        with capture_logs() as logged:
            pipeline = Pipeline(
                services=[run_pb2.DESCRIPTOR.services_by_name["RunService"]],
                door=door(
                    Authenticator(
                        store=store,
                        clock=clock,
                        keys=KnownKeys(
                            store=store, clock=clock, factory=factory, uses=KeyUses(store=store, clock=clock)
                        ),
                        audit=audit,
                        refusals=Refusals(store=store, clock=clock, audit=audit),
                    ),
                    clock=clock,
                    limits=UNLIMITED,
                ),
                clock=clock,
                ids=ids,
                metrics=metrics,
                unary_seconds=unary_seconds,
            )
            server = grpc.aio.server(interceptors=[pipeline], options=(("grpc.so_reuseport", 0),))
            run_pb2_grpc.add_RunServiceServicer_to_server(toy, server)
            _add_method_without_a_rule(server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield Toys(toy, run_pb2_grpc.RunServiceStub(channel), channel, key, metrics, logged)
            await server.stop(0)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Toys]:
    async with toys(tmp_path) as open_shop:
        yield open_shop


def raw(kind: Any) -> Any:
    """A kind of call that takes and gives bytes; the stubs type it for messages only."""
    return kind


def _add_method_without_a_rule(server: grpc.aio.Server) -> None:
    async def serve(request: bytes, context: Any) -> bytes:
        return b"reached"

    handlers: dict[str, Any] = {"Open": raw(grpc.unary_unary_rpc_method_handler)(serve)}
    server.add_registered_method_handlers("toy.Unruled", handlers)


async def test_the_servicer_knows_who_calls(shop: Toys) -> None:
    assert (await shop.stub.GetRun(GET, metadata=shop.metadata)).id == "anna"


async def test_a_sane_request_id_comes_back_and_an_odd_one_is_replaced(shop: Toys) -> None:
    for sent, kept in [("my-id_7", True), ("with space", False)]:
        call = shop.stub.GetRun(GET, metadata=(*shop.metadata, ("x-request-id", sent)))
        await call
        initial = dict(await call.initial_metadata())
        assert (initial["x-request-id"] == sent) is kept
        assert initial["x-request-id"]


async def test_refusals_and_streams_bear_a_request_id(shop: Toys) -> None:
    refused = shop.stub.GetRun(GET)
    with pytest.raises(grpc.aio.AioRpcError):
        await refused
    stream = shop.stub.StreamRun(STREAM, metadata=shop.metadata)
    assert [event.sequence async for event in stream] == [1, 2]
    for call in (refused, stream):
        assert dict(await call.initial_metadata())["x-request-id"]


async def test_an_unexpected_error_stays_in_the_log(shop: Toys) -> None:
    async def fail(context: Any) -> run_pb2.Run:
        raise ValueError(SECRET)

    shop.toy.get = fail
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.stub.GetRun(GET, metadata=(*shop.metadata, ("x-request-id", "q-1")))
    found = refusal(caught.value)
    assert (found.code, found.reason, found.metadata) == ("INTERNAL", "INTERNAL", {"request_id": "q-1"})
    assert SECRET not in found.message + str(caught.value.trailing_metadata())
    (fault,) = [entry for entry in shop.logged if entry["log_level"] == "error"]
    assert (fault["request_id"], fault["method"]) == ("q-1", "parley.v1.RunService/GetRun")
    assert str(fault["exc_info"]) == SECRET


async def test_an_unexpected_error_within_a_stream_ends_it_alike(shop: Toys) -> None:
    async def fail() -> AsyncGenerator[event_pb2.Event, None]:
        yield event_pb2.Event(sequence=1)
        raise ValueError(SECRET)

    shop.toy.stream = fail
    events = aiter(shop.stub.StreamRun(STREAM, metadata=shop.metadata))
    assert (await anext(events)).sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await anext(events)
    assert (refusal(caught.value).code, refusal(caught.value).reason) == ("INTERNAL", "INTERNAL")
    assert SECRET not in str(caught.value.details()) + str(caught.value.trailing_metadata())


async def test_a_servicers_own_abort_stands(shop: Toys) -> None:
    async def refuse(context: Any) -> run_pb2.Run:
        await context.abort(grpc.StatusCode.DATA_LOSS, "mine")
        raise AssertionError

    shop.toy.get = refuse
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.stub.GetRun(GET, metadata=shop.metadata)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "mine")
    assert (await shop.line())["code"] == "DATA_LOSS"


async def test_bytes_that_are_no_message_are_the_callers_mistake(shop: Toys) -> None:
    unary = raw(shop.channel.unary_unary)("/parley.v1.RunService/GetRun")
    stream = raw(shop.channel.unary_stream)("/parley.v1.RunService/StreamRun")
    for ends in (unary(b"\xff", metadata=shop.metadata), anext(aiter(stream(b"\xff", metadata=shop.metadata)))):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ends
        found = refusal(caught.value)
        assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")


async def test_fields_are_named_as_in_the_proto(shop: Toys) -> None:
    request = run_pb2.SendMessageRequest(
        conversation_key="x" * 256,
        user_message=run_pb2.UserMessage(role=message_pb2.ROLE_ASSISTANT),
        generation_config=run_pb2.GenerationConfig(temperature=2.5),
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.stub.SendMessage(request, metadata=shop.metadata)
    assert refusal(caught.value).fields == (
        "conversation_key",
        "user_message.role",
        "user_message.content",
        "generation_config.temperature",
    )


async def test_unknown_methods_and_methods_without_a_rule_are_not_served(shop: Toys) -> None:
    for path in ("/parley.v1.RunService/Nothing", "/toy.Unruled/Open"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(shop.channel.unary_unary)(path)(b"", metadata=shop.metadata)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_record_holds_names_and_figures_only(shop: Toys) -> None:
    await shop.stub.GetRun(GET, metadata=(*shop.metadata, ("x-request-id", "q-1")))
    line = await shop.line()
    assert line.pop("ms") >= 0
    assert line == {
        "event": "call",
        "log_level": "info",
        "request_id": "q-1",
        "method": "parley.v1.RunService/GetRun",
        "code": "OK",
    }


async def test_a_record_of_a_refusal_bears_its_reason(shop: Toys) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await shop.stub.GetRun(GET)
    line = await shop.line()
    assert (line["code"], line["reason"]) == ("UNAUTHENTICATED", "KEY_MISSING")


async def test_figures_are_kept_by_method_and_code(shop: Toys) -> None:
    for _ in range(2):
        await shop.stub.GetRun(GET, metadata=shop.metadata)
    with pytest.raises(grpc.aio.AioRpcError):
        await shop.stub.GetRun(GET)
    text = shop.metrics.render().decode()
    name = "parley.v1.RunService/GetRun"
    assert f'parley_rpc_calls_total{{code="OK",method="{name}"}} 2.0' in text
    assert f'parley_rpc_calls_total{{code="UNAUTHENTICATED",method="{name}"}} 1.0' in text
    assert f'parley_rpc_seconds_count{{method="{name}"}} 3.0' in text


async def test_a_client_that_leaves_cancels_the_servicer(shop: Toys) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def wait(context: Any) -> run_pb2.Run:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    shop.toy.get = wait
    call = shop.stub.GetRun(GET, metadata=shop.metadata)
    await _reached(entered, call)
    call.cancel()
    await left.wait()
    assert (await shop.line())["code"] == "CANCELLED"


async def test_a_reader_that_leaves_ends_a_stream_in_which_nothing_happens(shop: Toys) -> None:
    left = asyncio.Event()

    async def wait() -> AsyncGenerator[event_pb2.Event, None]:
        try:
            yield event_pb2.Event(sequence=1)
            await asyncio.Event().wait()
        finally:
            left.set()

    shop.toy.stream = wait
    call = shop.stub.StreamRun(STREAM, metadata=shop.metadata)
    assert (await anext(aiter(call))).sequence == 1
    call.cancel()
    await left.wait()
    assert (await shop.line())["code"] == "CANCELLED"


async def test_the_server_bounds_calls_that_name_no_deadline(tmp_path: Path) -> None:
    async def wait(context: Any) -> run_pb2.Run:
        await asyncio.Event().wait()
        raise AssertionError

    async with toys(tmp_path, unary_seconds=0.02) as shop:
        shop.toy.get = wait
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await shop.stub.GetRun(GET, metadata=shop.metadata)
        found = refusal(caught.value)
        assert (found.code, found.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


async def test_a_time_out_of_the_servicer_itself_is_no_deadline(tmp_path: Path) -> None:
    async def time_out(context: Any) -> run_pb2.Run:
        raise TimeoutError

    async with toys(tmp_path, unary_seconds=60) as shop:
        shop.toy.get = time_out
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await shop.stub.GetRun(GET, metadata=shop.metadata)
        assert refusal(caught.value).code == "INTERNAL"


async def test_a_nearer_deadline_of_the_caller_counts(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def wait(context: Any) -> run_pb2.Run:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    async with toys(tmp_path, unary_seconds=60) as shop:
        shop.toy.get = wait
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await shop.stub.GetRun(GET, metadata=shop.metadata, timeout=0.05)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await left.wait()


async def _reached(event: asyncio.Event, call: Any) -> None:
    """Wait for the servicer; a call that ends instead shows its error."""
    waiter = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiter, asyncio.ensure_future(call.code())}, return_when=asyncio.FIRST_COMPLETED)
    assert waiter.done(), await call
