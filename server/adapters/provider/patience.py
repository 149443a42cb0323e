"""Ends a wait that takes too long, at next to no cost for the many that do not."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

Result = TypeVar("Result")


class PatienceEnded(Exception):
    """The wait took longer than it may."""


class Patience:
    """A deadline over the waits of one task, which may be put off again and again.

    `asyncio.timeout` around each wait would set and drop a timer for every token. Here putting off is an assignment:
    the one timer looks at the deadline when it goes off and, if that has moved, sets itself again. Only what is inside
    `wait` is ever interrupted, not what its caller does between two waits. Close it when done.
    """

    def __init__(self, limit: timedelta) -> None:
        """Begin, with the deadline `limit` from now, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._ended = False
        self._deadline = self._loop.time() + limit.total_seconds()
        self._timer: asyncio.TimerHandle | None = self._loop.call_at(self._deadline, self._look)

    def put_off(self, limit: timedelta) -> None:
        """Move the deadline to `limit` from now."""
        before, self._deadline = self._deadline, self._loop.time() + limit.total_seconds()
        if self._timer is None or self._deadline < before:
            self.close()
            self._timer = self._loop.call_at(self._deadline, self._look)

    async def wait(self, work: Awaitable[Result]) -> Result:
        """The result of `work`. Raises `PatienceEnded`, having cancelled `work`, when the deadline passes."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        cancelling = task.cancelling()
        self._task = task
        if self._timer is None:
            self._end(task)
        try:
            return await work
        except asyncio.CancelledError as error:
            if self._ended and task.uncancel() <= cancelling:
                raise PatienceEnded from error
            raise
        finally:
            self._task = None

    def close(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
            return
        self._timer = None
        if self._task is not None:
            self._end(self._task)

    def _end(self, task: asyncio.Task[object]) -> None:
        self._ended = True
        task.cancel()
