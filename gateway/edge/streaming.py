"""Answers server-streaming calls: as server-sent events, as lines of JSON, or as the raw bytes of `HttpBody`."""

import asyncio
import math
from collections.abc import Callable

from gateway.config import GatewayConfig
from gateway.core.framing import HEARTBEAT, Framing
from gateway.core.headers import OutwardHeaders
from gateway.core.metadata import first
from gateway.core.problem import Problem
from gateway.core.route import Route
from gateway.edge.asgi import RawHeader, Receive
from gateway.edge.exchange import Exchange
from gateway.edge.failure import failure
from gateway.edge.outbox import Outbox
from gateway.edge.upstream import Invocation, Outcome, Upstream

_RAW_FALLBACK = b"application/octet-stream"
_PARTIAL = 206
# What the initial metadata of a raw stream tells of its bytes.
_LENGTH = "body-length"
_RANGE = "content-range"
# Events that follow each other faster than this share a write, which costs as much as making two or three of them. A
# model's tokens come ten times as slowly and never wait.
_BURST_SECONDS = 0.001


class StreamTruncated(Exception):
    """A raw stream failed half-way; only closing the connection tells its reader so."""


class StreamReplier:
    """Carries streams from the upstream to clients, and knows those under way.

    The head of a reply is held back until the first event or for the hold time, so that an early failure is a reply of
    its own with a real status. Later failures are the last event.
    """

    def __init__(self, *, upstream: Upstream, outward: OutwardHeaders, config: GatewayConfig) -> None:
        self._upstream = upstream
        self._outward = outward
        self._config = config
        self._open: set[Outbox] = set()

    def interrupt(self, problem: Problem) -> None:
        """End all streams under way with this problem as their last event."""
        for outbox in tuple(self._open):
            outbox.interrupt(problem)

    async def answer_head(self, exchange: Exchange, route: Route, invocation: Invocation, framing: Framing) -> None:
        """Answer HEAD: what the stream's head would be. Only where its messages tell that is the call made, up to the
        first one."""
        if route.events is not None and route.events.is_raw:
            await self.answer(exchange, route, invocation, framing)
            return
        await exchange.start(route.rule.success_status, _head(framing.content_type))
        await exchange.write(b"", more=False)

    async def answer(self, exchange: Exchange, route: Route, invocation: Invocation, framing: Framing) -> None:
        """Make the call and write its stream to the end, or until the client has left."""
        if route.events is None:
            raise TypeError(f"{route.name} is no stream")
        outbox = Outbox(route.events, framing, limit=self._config.stream_buffer)
        self._open.add(outbox)
        call = self._upstream.stream(invocation, outbox)
        listener = asyncio.get_running_loop().create_task(_listen(exchange.receive, outbox.abandon))
        pulse = _Pulse(outbox)
        try:
            await self._relay(_Stream(exchange, route, framing, outbox, pulse))
        finally:
            pulse.stop()
            listener.cancel()
            call.cancel()
            self._open.discard(outbox)

    async def _relay(self, stream: "_Stream") -> None:
        outbox = stream.outbox
        # The first bytes say what they are; nothing is told before.
        if not stream.is_raw:
            stream.pulse.start(self._config.stream_hold)
        await outbox.wait()
        if outbox.is_abandoned:
            return
        if outbox.is_empty and (problem := _failure(outbox, stream.route)) is not None:
            await self._fail(stream, problem)
            return
        await self._start(stream)
        if stream.exchange.is_head:
            await stream.exchange.write(b"", more=False)
            return
        stream.pulse.start(self._config.heartbeat)
        await stream.write_all()

    async def _fail(self, stream: "_Stream", problem: Problem) -> None:
        outcome = stream.outbox.outcome or Outcome()
        # The end of a call repeats what the sink was given at its beginning.
        headers = self._outward.headers(stream.outbox.initial or outcome.initial, outcome.trailing)
        await stream.exchange.fail(stream.route.errors.write(problem), headers)

    async def _start(self, stream: "_Stream") -> None:
        """Send the head."""
        initial, status = stream.outbox.initial, stream.route.rule.success_status
        content_type, told = stream.framing.content_type, []
        if stream.is_raw:
            content_type = stream.outbox.raw_type or _RAW_FALLBACK
            length = first(initial, _LENGTH)
            is_length = isinstance(length, str) and length.isascii() and length.isdecimal()
            told = [(b"content-length", str(length).encode())] if is_length else []
            status = status if first(initial, _RANGE) is None else _PARTIAL
        await stream.exchange.start(status, [*_head(content_type), *told, *self._outward.headers(initial)])


class _Stream:
    """One stream on its way out, from its head on."""

    def __init__(self, exchange: Exchange, route: Route, framing: Framing, outbox: Outbox, pulse: "_Pulse") -> None:
        self.exchange = exchange
        self.route = route
        self.framing = framing
        self.outbox = outbox
        self.pulse = pulse
        self.is_raw = route.events is not None and route.events.is_raw
        """Whether it is bytes without any framing."""
        self._time = asyncio.get_running_loop().time
        self._written = -math.inf

    async def write_all(self) -> None:
        """Write events as they come, comments when none come, and the end."""
        outbox = self.outbox
        while not outbox.is_abandoned:
            if outbox.is_over:
                await self.exchange.write(outbox.take() + self._end(), more=False)
                return
            if not outbox.is_empty:
                if self._time() - self._written < _BURST_SECONDS:
                    await outbox.gather(_BURST_SECONDS)
                    if outbox.is_over or outbox.is_abandoned:
                        continue
                await self.exchange.write(outbox.take(), more=True)
                self._written = self._time()
                self.pulse.reset()
            elif self.pulse.is_due:
                if self.framing.has_heartbeat and not self.is_raw:
                    await self.exchange.write(HEARTBEAT, more=True)
                self.pulse.reset()
            await outbox.wait()

    def _end(self) -> bytes:
        problem = _failure(self.outbox, self.route)
        if problem is not None:
            if self.is_raw:
                raise StreamTruncated
            return self.framing.error(self.route.errors.write(problem).body)
        return b"" if self.is_raw or self.outbox.has_last else self.framing.end()


class _Pulse:
    """Nudges an outbox after a time without a reset. Resetting costs no timer: the one under way is looked at again."""

    def __init__(self, outbox: Outbox) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._interval = 0.0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_due(self) -> bool:
        """Whether the time has passed."""
        return self._loop.time() - self._since >= self._interval

    def start(self, interval: float) -> None:
        """Begin, or begin anew with another time."""
        self.stop()
        self._interval = interval
        self.reset()
        self._timer = self._loop.call_later(interval, self._look)

    def reset(self) -> None:
        """Count from now."""
        self._since = self._loop.time()

    def stop(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        remaining = self._since + self._interval - self._loop.time()
        if remaining <= 0:
            self._outbox.nudge()
            remaining = self._interval
        self._timer = self._loop.call_later(remaining, self._look)


def _head(content_type: bytes) -> list[RawHeader]:
    return [
        (b"content-type", content_type),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    ]


def _failure(outbox: Outbox, route: Route) -> Problem | None:
    """Give what went wrong with a stream that is over, or None."""
    if outbox.problem is not None:
        return outbox.problem
    outcome = outbox.outcome
    if outcome is None or outcome.code == 0:
        return None
    return failure(outcome, route)


async def _listen(receive: Receive, gone: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone()
