"""The upstream through a socket: calls a gRPC server elsewhere over a `grpc.aio` channel."""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

import grpc
from grpc import aio

from gateway.core.metadata import Metadata, Metadatum
from gateway.core.method import Method
from gateway.edge.upstream.call import (
    STOPPING,
    UNAVAILABLE_TEXT,
    UNEXPECTED,
    Invocation,
    Outcome,
    StreamCall,
    StreamSink,
    UnaryReply,
)
from gateway.edge.upstream.limits import MESSAGE_LIMIT, METADATA_LIMIT, RESOURCE_EXHAUSTED, too_large

_UNAVAILABLE = 14
_REMOVED = "Stream removed ("
_EXCEPTION_TEXT = "Unexpected <class '"
# grpc's own words for a connection that failed name the server's address.
_TRANSPORT_TEXTS = (
    "failed to connect",
    "ipv4:",
    "ipv6:",
    "unix:",
    "dns:",
    "recvmsg",
    "sendmsg",
    "Socket closed",
    "Connection reset",
    "GOAWAY",
)

_CLOSED = Outcome(_UNAVAILABLE, STOPPING)


class ChannelUpstream:
    """Carries calls over a channel, which it owns and closes.

    `target` is what grpc calls a target: `host:port`, `unix:/path`. The connection is made at the first call and made
    again after it is lost; calls fail with UNAVAILABLE meanwhile.
    """

    def __init__(
        self, target: str, *, message_limit: int = MESSAGE_LIMIT, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        """`credentials`: TLS; None: nothing is encrypted."""
        self._message_limit = message_limit
        options = [
            ("grpc.max_receive_message_length", message_limit),
            # Between these two limits grpc drops replies at random; equal, it is one limit.
            ("grpc.max_metadata_size", METADATA_LIMIT),
            ("grpc.absolute_max_metadata_size", METADATA_LIMIT),
        ]
        self._channel = (
            aio.insecure_channel(target, options=options)
            if credentials is None
            else aio.secure_channel(target, credentials, options=options)
        )
        self._unary: dict[Method, Any] = {}
        self._stream: dict[Method, Any] = {}
        self._pumps: set[_Pump] = set()

    async def unary(self, invocation: Invocation) -> UnaryReply:
        """Make a unary call; see `Upstream.unary`."""
        method = invocation.method
        multicallable = self._unary.get(method)
        if multicallable is None:
            opened: Any = self._channel.stream_unary if method.is_client_stream else self._channel.unary_unary
            multicallable = opened(method.path, *_serializers(method))
            self._unary[method] = multicallable
        oversize = self._oversize(invocation)
        if oversize is not None:
            return UnaryReply(oversize)
        sender: asyncio.Task[None] | None = None
        try:
            call: Any
            if method.is_client_stream:
                call = multicallable(timeout=invocation.timeout, metadata=invocation.metadata)
                sender = asyncio.get_running_loop().create_task(_send(call, invocation.request))
            else:
                call = multicallable(invocation.request, timeout=invocation.timeout, metadata=invocation.metadata)
            message = await call
        except aio.AioRpcError as error:
            return UnaryReply(_failure(error))
        except aio.UsageError:
            return UnaryReply(_CLOSED)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            return UnaryReply(_CLOSED)
        finally:
            if sender is not None:
                await _dismiss(sender)
        outcome = Outcome(
            initial=_pairs(await call.initial_metadata()), trailing=_pairs(await call.trailing_metadata())
        )
        return UnaryReply(outcome, message)

    def stream(self, invocation: Invocation, sink: StreamSink) -> StreamCall:
        """Start a server-streaming call; see `Upstream.stream`."""
        method = invocation.method
        multicallable = self._stream.get(method)
        if multicallable is None:
            multicallable = self._channel.unary_stream(method.path, *_serializers(method))
            self._stream[method] = multicallable
        pump = _Pump(sink)
        oversize = self._oversize(invocation)
        if oversize is not None:
            pump.finish(oversize)
            return pump
        try:
            call = multicallable(invocation.request, timeout=invocation.timeout, metadata=invocation.metadata)
        except aio.UsageError:
            pump.finish(_CLOSED)
            return pump
        pump.start(call)
        self._keep(pump)
        return pump

    async def stop(self, grace: float | None = None) -> None:
        """Close the channel once the calls under way have ended, after `grace` seconds at the latest."""
        await self._channel.close(grace)
        pumps = tuple(self._pumps)
        for pump in pumps:
            pump.finish(_CLOSED)
            pump.cancel()
        if pumps:
            await asyncio.wait([pump.task for pump in pumps if pump.task is not None])

    def _keep(self, pump: "_Pump") -> None:
        if pump.task is not None:
            self._pumps.add(pump)
            pump.task.add_done_callback(lambda _: self._pumps.discard(pump))

    def _oversize(self, invocation: Invocation) -> Outcome | None:
        """Refuse what the server would refuse: without the cost of sending it, and with a limit that is surely ours."""
        if invocation.method.is_client_stream:
            return None
        request = invocation.request
        size = len(request) if isinstance(request, bytes) else request.ByteSize()
        if size <= self._message_limit:
            return None
        return Outcome(RESOURCE_EXHAUSTED, too_large("SERVER", size, self._message_limit))


class _Pump:
    """A stream that a task reads from the channel; only its first end counts."""

    def __init__(self, sink: StreamSink) -> None:
        self._sink = sink
        self._is_over = False
        self.task: asyncio.Task[None] | None = None

    def start(self, call: Any) -> None:
        """Begin to read."""
        self.task = asyncio.get_running_loop().create_task(self._read(call))

    def cancel(self) -> None:
        """Cancel the call; grpc tells the server."""
        self._is_over = True
        if self.task is not None:
            self.task.cancel()

    def finish(self, outcome: Outcome) -> None:
        """Tell the sink the end."""
        if not self._is_over:
            self._is_over = True
            self._sink.finish(outcome)

    async def _read(self, call: Any) -> None:
        """Move messages from a call to its sink, no faster than the sink drains."""
        try:
            self._sink.start(_pairs(await call.initial_metadata()))
            async for message in call:
                if not self._sink.write(message):
                    await self._sink.drained()
            self.finish(Outcome(trailing=_pairs(await call.trailing_metadata())))
        except aio.AioRpcError as error:
            self.finish(_failure(error))
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            self.finish(_CLOSED)
        finally:
            call.cancel()


async def _send(call: Any, requests: Any) -> None:
    """Write the requests of a client stream, until they end or the call has. An iterator handed to grpc instead would
    cancel the call where it finds it over, and with it the status. Raises what the iterator raises."""
    try:
        async with aclosing(requests):
            async for request in requests:
                if not await _is_taken(_write(call, request)):
                    return
    except Exception:
        call.cancel()  # nobody is left to send what the server waits for
        raise
    await _is_taken(call.done_writing())


async def _write(call: Any, request: Any) -> None:
    """As `call.write`. That one, where it fails because the call is over, puts INTERNAL in the place of the status that
    is on its way, and nobody would learn why the server wants no more."""
    await call.wait_for_connection()
    message = request if isinstance(request, bytes) else request.SerializeToString()
    await call._cython_call.send_serialized_message(message)  # noqa: SLF001 - there is no public way without that


async def _is_taken(step: Awaitable[None]) -> bool:
    """Await a step of a call; False when the call is over, and why, its reply tells."""
    try:
        await step
    except Exception:  # noqa: BLE001 - grpc raises kinds of its own, of its core's and of asyncio's, all for this
        return False
    return True


async def _dismiss(sender: "asyncio.Task[None]") -> None:
    """Have nobody take requests any more, from here on. Raises what has broken their iterator."""
    sender.cancel()
    await asyncio.wait([sender])
    error = None if sender.cancelled() else sender.exception()
    if error is not None:
        raise error


def _is_cancelled() -> bool:
    """Tell a cancelled caller from a call that the closing channel has cancelled: grpc raises the same for both."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failure(error: aio.AioRpcError) -> Outcome:
    code = int(error.code().value[0])
    text = error.details() or ""
    if text.startswith(_REMOVED) and text.endswith(")"):
        text = text[len(_REMOVED) : -1]
    if text.startswith(_EXCEPTION_TEXT):
        text = UNEXPECTED
    elif code == _UNAVAILABLE and any(part in text for part in _TRANSPORT_TEXTS):
        text = UNAVAILABLE_TEXT
    return Outcome(code, text, _pairs(error.initial_metadata()), _pairs(error.trailing_metadata()))


def _pairs(metadata: Any) -> Metadata:
    return tuple([Metadatum(key, value) for key, value in metadata]) if metadata else ()


def _serializers(method: Method) -> tuple[Any, Any]:
    serialize = None if method.request_class is None else method.request_class.SerializeToString
    deserialize = None if method.response_class is None else method.response_class.FromString
    return serialize, deserialize
