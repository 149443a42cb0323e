"""What waits to be written on one stream: filled by the upstream, emptied by the edge, bounded in between."""

import asyncio
from typing import Any

from gateway.core.codec import JsonError
from gateway.core.framing import Framing
from gateway.core.metadata import Metadata
from gateway.core.problem import Problem
from gateway.core.route import Events
from gateway.core.status import Code
from gateway.edge.upstream import Outcome

UNWRITABLE = Problem(Code.INTERNAL, "The reply cannot be written as JSON.", reason="UNWRITABLE_REPLY")
_MAX_EVENTS = 32


class Outbox:
    """The sink of one stream (`StreamSink`), and its other end.

    Messages are framed as they come. The upstream is told to wait when `limit` bytes or 32 events have not been taken
    yet, and goes on once they have.
    """

    def __init__(self, plan: Events, framing: Framing, *, limit: int) -> None:
        self._plan = plan
        self._frame = plan.frame(framing)
        self._limit = limit
        self._waiting: list[bytes] = []
        self._size = 0
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_gathering = False
        self.initial: Metadata = ()
        self.raw_type: bytes | None = None
        """Content type of the first `HttpBody`, on a raw stream."""
        self.outcome: Outcome | None = None
        """How the call ended, once it has."""
        self.problem: Problem | None = None
        """What ended the stream on this side of the call, if anything did."""
        self.has_last = False
        """Whether the latest event says of itself that it is the last."""
        self.is_abandoned = False
        """Whether the client has left."""

    # The upstream's end.

    def start(self, initial: Metadata) -> None:
        """Take the initial metadata."""
        self.initial = initial

    def write(self, message: Any) -> bool:
        """Take a message; False when there is no room for another."""
        if self.problem is not None:
            return False
        try:
            if self._plan.is_raw:
                data = self._raw(message)
            else:
                data, self.has_last = self._frame(message)
        except JsonError:
            self.interrupt(UNWRITABLE)
            return False
        self._waiting.append(data)
        self._size += len(data)
        has_room = self._size < self._limit and len(self._waiting) < _MAX_EVENTS
        if self._reader is not None and not (self._is_gathering and has_room):
            self._wake()
        return has_room

    async def drained(self) -> None:
        """Return when there is room again."""
        while not self._has_room() or self.problem is not None:
            self._writer = asyncio.get_running_loop().create_future()
            await self._writer

    def finish(self, outcome: Outcome) -> None:
        """Take the end of the call."""
        self.outcome = outcome
        self._wake()

    # The edge's end.

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.outcome is not None or self.problem is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._waiting

    async def wait(self) -> None:
        """Return when something waits to be written, the stream is over, the client has left, or after `nudge`."""
        if self._waiting or self.is_over or self.is_abandoned:
            return
        self._reader = asyncio.get_running_loop().create_future()
        await self._reader

    async def gather(self, seconds: float) -> None:
        """Return when nothing more fits, the stream is over, the client has left, or so many seconds have passed."""
        if self.is_over or self.is_abandoned or not self._has_room():
            return
        loop = asyncio.get_running_loop()
        self._is_gathering = True
        self._reader = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await self._reader
        finally:
            timer.cancel()
            self._is_gathering = False

    def take(self) -> bytes:
        """Take all that waits to be written."""
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        writer, self._writer = self._writer, None
        if writer is not None and not writer.done():
            writer.set_result(None)
        return data

    def nudge(self) -> None:
        """Have `wait` return although nothing has come."""
        self._wake()

    def abandon(self) -> None:
        """Take note that the client has left."""
        self.is_abandoned = True
        self._wake()

    def interrupt(self, problem: Problem) -> None:
        """End the stream from this side of the call, after what waits already."""
        self.problem = self.problem or problem
        self._wake()

    def _raw(self, message: Any) -> bytes:
        if self.raw_type is None:
            self.raw_type = self._plan.raw_type(message)
        data: bytes = message.data
        return data

    def _has_room(self) -> bool:
        return self._size < self._limit and len(self._waiting) < _MAX_EVENTS

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)
