"""The toy's servicers: they echo, choose, and do what scripts say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from tests.support.toy.compiled import compiled

_BAD_TIME = 10**15  # seconds that no RFC 3339 text can tell


@dataclass
class Record:
    """What the servicers went through, for tests to wait for and look at."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    produced: int = 0
    """Stream messages handed over so far."""

    def reset(self) -> None:
        """Begin anew."""
        self.started, self.cancelled = asyncio.Event(), asyncio.Event()
        self.calls = self.produced = 0


def add_all(server: Any, record: Record) -> None:
    """Register all servicers on a grpc server, or on what behaves like one."""
    toy = compiled()
    toy.grpc.add_FormsServicer_to_server(Forms(), server)
    toy.grpc.add_CallsServicer_to_server(Calls(record), server)
    toy.grpc.add_QuirksServicer_to_server(Quirks(), server)


class Forms:
    """Echoes, and names the method that was chosen."""

    async def EchoQuery(self, request: Any, context: Any) -> Any:
        return request

    EchoBody = Typed = Raw = EchoQuery

    async def Nothing(self, request: Any, context: Any) -> Any:
        return request

    async def Collect(self, requests: Any, context: Any) -> Any:
        count = 0
        async for _ in requests:
            count += 1
        return compiled().pb2.Chosen(method="Collect", number=count)

    def __getattr__(self, name: str) -> Any:
        if name not in compiled().pb2.DESCRIPTOR.services_by_name["Forms"].methods_by_name:
            raise AttributeError(name)

        async def chosen(request: Any, context: Any) -> Any:
            return compiled().pb2.Chosen(method=name, text=request.text, number=request.number)

        return chosen


class Quirks:
    """Echoes."""

    async def Echo(self, request: Any, context: Any) -> Any:
        return request


class Calls:
    """Does what scripts say."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def Act(self, script: Any, context: Any) -> Any:
        pb2 = compiled().pb2
        await self._begin(script, context)
        if script.linger:
            await self._linger(script)
        await self._end(script, context)
        result = pb2.Result(text="x" * script.size, peer=context.peer())
        for key, value in context.invocation_metadata():
            result.metadata[key] = value if isinstance(value, str) else value.hex()
        if context.time_remaining() is not None:
            result.time_remaining = context.time_remaining()
        if script.unwritable:
            result.when.seconds = _BAD_TIME
        return result

    ActQuickly = ActLive = Act

    async def Stream(self, script: Any, context: Any) -> AsyncIterator[Any]:
        await self._begin(script, context)
        async for event in self._events(script):
            yield event
        if script.linger:
            await self._linger(script)
        await self._end(script, context)

    StreamLines = StreamWhole = Stream

    async def StreamByContext(self, script: Any, context: Any) -> None:
        await self._begin(script, context)
        async for event in self._events(script):
            await context.write(event)
        await self._end(script, context)

    async def StreamRaw(self, script: Any, context: Any) -> AsyncIterator[Any]:
        from google.api import httpbody_pb2  # type: ignore[import-untyped]

        await self._begin(script, context)
        if script.part:
            yield httpbody_pb2.HttpBody(data=script.part.encode())
        for number in range(script.events):
            yield httpbody_pb2.HttpBody(content_type="text/x-toy", data=f"part {number}\n".encode())
        await self._end(script, context)

    async def _begin(self, script: Any, context: Any) -> None:
        self._record.calls += 1
        self._record.started.set()
        pairs = tuple(tuple(header.split("=", 1)) for header in script.headers)
        if pairs:
            await context.send_initial_metadata(pairs)
        if script.delay:
            await self._noting_cancellation(script, asyncio.sleep(script.delay))

    async def _events(self, script: Any) -> AsyncIterator[Any]:
        pb2 = compiled().pb2
        event = pb2.Event()  # one message, changed and sent again: gRPC allows it, so its replacement must
        for number in range(1, script.events + 1):
            event.sequence = script.after + number
            event.tick.text = "x" * script.size or f"tick {number}"
            self._record.produced += 1
            yield event
            await asyncio.sleep(script.pause)
        if script.unwritable:
            event.when.seconds = _BAD_TIME
            yield event
        if script.finale:
            yield pb2.Event(sequence=script.after + script.events + 1, finale=pb2.Finale(count=script.events))

    async def _linger(self, script: Any) -> None:
        await self._noting_cancellation(script, asyncio.Event().wait())

    async def _noting_cancellation(self, script: Any, waiting: Any) -> None:
        try:
            await waiting
        except asyncio.CancelledError:
            self._record.cancelled.set()
            if script.stubborn:
                await asyncio.sleep(script.stubborn)
            raise

    async def _end(self, script: Any, context: Any) -> None:
        if script.crash:
            raise ValueError(script.crash)
        if script.metadata_size:
            context.set_trailing_metadata((("x-weight", "m" * script.metadata_size),))
        if script.code:
            await self._abort(script, context)

    async def _abort(self, script: Any, context: Any) -> None:
        code = next(each for each in grpc.StatusCode if each.value[0] == script.code)
        details = _details(script)
        if not details:
            await context.abort(code, script.message)
        status = status_pb2.Status(code=script.code, message=script.message, details=details)
        trailing = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(code, script.message, trailing)


def _details(script: Any) -> list[AnyMessage]:
    details: list[Any] = []
    if script.reason:
        metadata = {"name": "Duck"}
        details.append(error_details_pb2.ErrorInfo(reason=script.reason, domain="toy", metadata=metadata))
    if script.retry:
        delay = Duration()
        delay.FromNanoseconds(int(script.retry * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if script.violation:
        bad = error_details_pb2.BadRequest()
        bad.field_violations.add(field=script.violation, description="is not liked")
        details.append(bad)
    packed = [AnyMessage() for _ in details]
    for holder, detail in zip(packed, details, strict=True):
        holder.Pack(detail)
    return packed
