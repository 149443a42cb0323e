"""The upstream without a socket: calls servicers behind their interceptors in this very event loop."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from grpc import aio

from gateway.edge.upstream.call import STOPPING, Invocation, Outcome, StreamCall, StreamSink, UnaryReply
from gateway.edge.upstream.handlers import Handler, Handlers
from gateway.edge.upstream.limits import MESSAGE_LIMIT, RESOURCE_EXHAUSTED, too_large
from gateway.edge.upstream.run import House, Run, StreamRun, UnaryRun

_UNAVAILABLE = 14


class InProcessUpstream:
    """Carries calls to servicers registered on it, as `grpc.aio.server` would and without the socket.

    The generated `add_XServicer_to_server(servicer, upstream)` works on it. Request and reply messages are passed as
    they are, neither serialised nor copied; so the gateway's message classes must be those of the servicers (the
    default descriptor pool). Handlers must be asynchronous: coroutine functions, or for streams async generators too.

    Interceptors run for each call in the given order, with `grpc.aio`'s rules. Everything runs on the event loop that
    makes the first call; `stop` ends what is under way, like the method of the same name of a grpc server.
    """

    def __init__(
        self, interceptors: Sequence[aio.ServerInterceptor] = (), *, message_limit: int = MESSAGE_LIMIT
    ) -> None:
        self._handlers = Handlers(interceptors)
        self._message_limit = message_limit
        self._runs: set[Run] = set()
        self._house = House(handlers=self._handlers, message_limit=message_limit, ended=self._left)
        self._stopping = False
        self._idle: asyncio.Event | None = None

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Register handlers that are asked in turn for methods not registered by name."""
        self._handlers.add_generic(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Handler]) -> None:
        """Register the handlers of a service by the names of its methods."""
        self._handlers.add_registered(service_name, method_handlers)

    async def unary(self, invocation: Invocation) -> UnaryReply:
        """Call a unary method; see `Upstream.unary`."""
        refused = self._refused(invocation)
        if refused is not None:
            return UnaryReply(refused)
        run = UnaryRun(self._house, invocation)
        self._start(run)
        try:
            return await run.reply
        except asyncio.CancelledError:
            run.abandon()
            raise

    def stream(self, invocation: Invocation, sink: StreamSink) -> StreamCall:
        """Start a server-streaming call; see `Upstream.stream`."""
        run = StreamRun(self._house, invocation, sink)
        refused = self._refused(invocation)
        if refused is None:
            self._start(run)
        else:
            run.settle(refused)
        return run

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, give those under way `grace` seconds, then end them with UNAVAILABLE.

        Returns when the last servicer task has ended. Without a grace the calls are ended at once. Repeatable.
        """
        self._stopping = True
        self._idle = asyncio.Event()
        if grace and await self._is_idle_within(grace):
            return
        for run in tuple(self._runs):
            run.interrupt(Outcome(_UNAVAILABLE, STOPPING))
        await self._is_idle_within(None)

    def _start(self, run: Run) -> None:
        if run.start():
            self._runs.add(run)

    def _left(self, run: Run) -> None:
        self._runs.discard(run)
        if self._idle is not None and not self._runs:
            self._idle.set()

    async def _is_idle_within(self, seconds: float | None) -> bool:
        """Wait until no servicer task runs; False when that took longer."""
        if not self._runs or self._idle is None:
            return True
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _refused(self, invocation: Invocation) -> Outcome | None:
        if self._stopping:
            return Outcome(_UNAVAILABLE, STOPPING)
        if invocation.method.is_client_stream:
            return None
        request = invocation.request
        size = len(request) if isinstance(request, bytes) else request.ByteSize()
        if size > self._message_limit:
            return Outcome(RESOURCE_EXHAUSTED, too_large("SERVER", size, self._message_limit))
        return None
