"""Watches over a unary exchange: cancels its task when the client leaves, or does not send its body in time."""

import asyncio
import enum

from gateway.edge.asgi import Receive


class Cause(enum.Enum):
    """Why an exchange was cancelled."""

    CLIENT_GONE = enum.auto()
    SLOW_BODY = enum.auto()


class Watch:
    """Cancels the current task for a `cause`; to be closed when the exchange is over.

    Calls that end within `after` seconds cost one timer. Only then a task begins to listen for the client's departure,
    which nothing else would tell while the servicer works and nothing is written.
    """

    __slots__ = ("_deadline", "_listener", "_loop", "_patience", "_receive", "_rests", "_task", "_timer", "cause")

    def __init__(self, receive: Receive, *, after: float, body_timeout: float) -> None:
        self.cause: Cause | None = None
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._receive = receive
        self._listener: asyncio.Task[None] | None = None
        self._patience = body_timeout
        self._rests = False
        self._deadline: float | None = self._loop.time() + body_timeout
        self._timer = self._loop.call_later(after, self._look)

    def body_arrived(self) -> None:
        """Take note that the request is complete: from here on nobody else listens to the client."""
        self._deadline = None

    def await_body(self) -> None:
        """Give the client the whole time again for the next piece of a body that is passed on as it comes."""
        self._rests = False
        self._deadline = self._loop.time() + self._patience

    def rest(self) -> None:
        """Blame the client for nothing: it is the service that does not go on."""
        self._rests = True

    def client_left(self) -> None:
        """Cancel the exchange: whoever receives for it was told that nobody is there any more."""
        self._cancel(Cause.CLIENT_GONE)

    def caught(self) -> Cause | None:
        """Give the cause of a cancellation that has reached the task and take it back; None if it is not ours."""
        if self.cause is not None and self._task is not None:
            self._task.uncancel()
        return self.cause

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _look(self) -> None:
        if self._deadline is None:
            self._listener = self._loop.create_task(self._listen())
        elif self._deadline > self._loop.time():
            self._timer = self._loop.call_at(self._deadline, self._look)
        elif self._rests:
            self._timer = self._loop.call_later(self._patience, self._look)
        else:
            self._cancel(Cause.SLOW_BODY)

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel(Cause.CLIENT_GONE)

    def _cancel(self, cause: Cause) -> None:
        self.cause = cause
        if self._task is not None:
            self._task.cancel()
