"""One in-process call from its first step to its last: the servicer's task, the deadline, the way it ends."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grpc import aio

from gateway.edge.upstream.call import UNEXPECTED, Invocation, Outcome, StreamSink, UnaryReply
from gateway.edge.upstream.context import CallContext
from gateway.edge.upstream.handlers import Handler, Handlers
from gateway.edge.upstream.limits import RESOURCE_EXHAUSTED, deliverable, too_large

_LOGGER = logging.getLogger(__name__)
_CANCELLED = Outcome(1, "Cancelled")
_EXPIRED = Outcome(4, "Deadline Exceeded")
_UNKNOWN_METHOD = Outcome(12, "Method not found!")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the calls of one upstream share."""

    handlers: Handlers
    message_limit: int
    """Largest message either way, in bytes."""
    ended: "Callable[[Run], None]"
    """Called when the task of a started call has ended."""


class Run:
    """A call whose servicer runs in a task of its own, so that its end can be told before the servicer heeds it.

    Exactly one `settle` counts; whatever the servicer does afterwards is heard by nobody.
    """

    def __init__(self, house: House, invocation: Invocation, sink: StreamSink | None) -> None:
        loop = asyncio.get_running_loop()
        timeout = invocation.timeout
        deadline = None if timeout is None else loop.time() + timeout
        self._loop = loop
        self._house = house
        self._invocation = invocation
        self._context = CallContext(invocation, deadline, sink)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settled = False

    def start(self) -> bool:
        """Start the servicer's task and the clock; a deadline already past ends the call without them (False)."""
        timeout = self._invocation.timeout
        if timeout is not None:
            if timeout <= 0:
                self.settle(_EXPIRED)
                return False
            self._timer = self._loop.call_later(timeout, self.interrupt, _EXPIRED)
        self._task = self._loop.create_task(self._drive())
        # A callback, because a task that is cancelled before its first step never gets to a `finally`.
        self._task.add_done_callback(self._left)
        return True

    def settle(self, outcome: Outcome, message: Any = None, *, cancelled: bool = False) -> None:
        """End the call with `outcome`; only the first end counts."""
        if self._settled:
            return
        self._settled = True
        if self._timer is not None:
            self._timer.cancel()
        self._context.end(cancelled=cancelled)
        self._deliver(deliverable(outcome), message)

    def interrupt(self, outcome: Outcome) -> None:
        """End the call from outside: tell its end at once and cancel the servicer."""
        self.settle(outcome, cancelled=True)
        if self._task is not None:
            self._task.cancel()

    def abandon(self) -> None:
        """Cancel the call because nobody waits for it any more."""
        self.interrupt(_CANCELLED)

    def _deliver(self, outcome: Outcome, message: Any) -> None:
        """Hand the end to whoever waits for it."""
        raise NotImplementedError

    async def _perform(self, handler: Handler) -> Any:
        """Have the servicer do its work and give the reply, if the method has one."""
        raise NotImplementedError

    async def _drive(self) -> None:
        try:
            handler = await self._house.handlers.find(self._invocation)
            if handler is None:
                self.settle(_UNKNOWN_METHOD)
                return
            message = await self._perform(handler)
            self._context.raise_if_aborted()
            self.settle(self._context.outcome(), message)
        except asyncio.CancelledError as error:
            if self._settled:
                raise
            self._crashed(error)
        except Exception as error:  # noqa: BLE001 - the transport boundary: what a servicer raises becomes a status
            if self._context.owns(error):
                self.settle(self._context.outcome())
            else:
                self._crashed(error)

    def _left(self, task: asyncio.Task[None]) -> None:
        del task
        # A cancelled task holds its exception, that the frames it went through, and those this call.
        self._task = None
        self._house.ended(self)

    def _crashed(self, error: BaseException) -> None:
        # The exception's text may hold the caller's content; its type and the way to it suffice.
        frames = "".join(traceback.format_tb(error.__traceback__))
        path = self._invocation.method.path
        _LOGGER.error("Unexpected %s raised by servicer method %s\n%s", type(error).__name__, path, frames)
        self.settle(self._context.crashed(UNEXPECTED))

    def _request(self, handler: Handler) -> Any:
        request, method = self._invocation.request, self._invocation.method
        if method.request_class is None and method.is_client_stream:
            raise TypeError(f"{method.path}: a client stream is passed on as messages")
        if method.request_class is None and handler.request_deserializer is not None:
            return handler.request_deserializer(request)
        return request

    def _reply(self, handler: Handler, message: Any) -> Any:
        """Give a reply in the form the caller expects, or raise what serialising something else would raise."""
        expected = self._invocation.method.response_class
        if expected is None:
            return message if handler.response_serializer is None else handler.response_serializer(message)
        if type(message) is not expected:
            raise TypeError(f"expected {expected.__name__}, the servicer gave {type(message).__name__}")
        return message

    def _oversize(self, message: Any) -> Outcome | None:
        size = len(message) if isinstance(message, bytes) else message.ByteSize()
        limit = self._house.message_limit
        return Outcome(RESOURCE_EXHAUSTED, too_large("CLIENT", size, limit)) if size > limit else None


class UnaryRun(Run):
    """A unary call; `reply` is resolved when it ends."""

    def __init__(self, house: House, invocation: Invocation) -> None:
        super().__init__(house, invocation, None)
        self.reply: asyncio.Future[UnaryReply] = self._loop.create_future()

    async def _perform(self, handler: Handler) -> Any:
        is_client_stream = self._invocation.method.is_client_stream
        behavior: Any = handler.stream_unary if is_client_stream else handler.unary_unary
        if behavior is None:
            self.settle(_UNKNOWN_METHOD)
            return None
        message = await behavior(self._request(handler), self._context)
        self._context.raise_if_aborted()
        if self._context.failed:
            return None
        reply = self._reply(handler, message)
        oversize = self._oversize(reply)
        if oversize is not None:
            self.settle(oversize)
        return reply

    def _deliver(self, outcome: Outcome, message: Any) -> None:
        if not self.reply.done():
            self.reply.set_result(UnaryReply(outcome, message if outcome.code == 0 else None))


class StreamRun(Run):
    """A server-streaming call; everything goes to its sink, and `cancel` silences it."""

    def __init__(self, house: House, invocation: Invocation, sink: StreamSink) -> None:
        self._sink = sink
        self._silent = False
        self._expected = invocation.method.response_class
        super().__init__(house, invocation, _Gate(self))

    def cancel(self) -> None:
        """Cancel the call because the client is gone."""
        self._silent = True
        self.abandon()

    async def _perform(self, handler: Handler) -> Any:
        if handler.unary_stream is None:
            self.settle(_UNKNOWN_METHOD)
            return
        self._handler = handler
        messages: Any = handler.unary_stream(self._request(handler), self._context)  # type: ignore[arg-type]  # as above
        if hasattr(messages, "__aiter__"):
            await self._relay(messages)
        else:
            await messages  # a coroutine, which writes through its context

    async def _relay(self, messages: Any) -> None:
        try:
            async for message in messages:
                self._context.raise_if_aborted()
                if not self.accept(message):
                    await self._sink.drained()
        finally:
            # Without it a generator that is left half-way is closed only when it is collected.
            close = getattr(messages, "aclose", None)
            if close is not None:
                await close()

    def accept(self, message: Any) -> bool:
        """Hand one message to the sink; False means full. Raises once the call has ended."""
        if self._settled:
            raise aio.UsageError("RPC already finished.")
        reply = message if type(message) is self._expected else self._reply(self._handler, message)
        oversize = self._oversize(reply)
        if oversize is not None:
            self.settle(oversize)
            raise aio.UsageError("RPC already finished.")
        return self._sink.write(reply)

    async def drained(self) -> None:
        """Return when the sink has room again."""
        await self._sink.drained()

    def started(self, initial: Any) -> None:
        """Hand the initial metadata to the sink."""
        if not self._settled:
            self._sink.start(initial)

    def _deliver(self, outcome: Outcome, message: Any) -> None:
        del message
        if not self._silent:
            self._sink.finish(outcome)


class _Gate:
    """The sink as a servicer's `context.write` sees it: with the checks of the call in between."""

    def __init__(self, run: StreamRun) -> None:
        self._run = run

    def start(self, initial: Any) -> None:
        self._run.started(initial)

    def write(self, message: Any) -> bool:
        return self._run.accept(message)

    async def drained(self) -> None:
        await self._run.drained()

    def finish(self, outcome: Outcome) -> None:
        self._run.settle(outcome)
