"""The one writer of the file: a thread that commits together whatever has arrived together.

While one batch is being synced to disk the next gathers, so the more writers there are the fewer syncs each of them
costs. The event loop hears of a whole batch at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from server.adapters.store.sqlite.batch import Answer, BatchCommitter
from server.adapters.store.sqlite.work import Outcome, Result, Work
from server.domain.errors import StoreUnavailable
from server.domain.events import Event


class _Pending(NamedTuple):
    work: Work[Any]
    caller: asyncio.Future[Any]


class Writer:
    """Takes units from the event loop, commits them on its thread, publishes their events and answers.

    At most `capacity` units are on their way, at most `batch_limit` in one transaction.
    """

    def __init__(
        self,
        committer: BatchCommitter,
        *,
        publish: Callable[[Sequence[Event]], None],
        capacity: int,
        batch_limit: int,
    ) -> None:
        self._committer = committer
        self._publish = publish
        self._capacity = capacity
        self._batch_limit = batch_limit
        self._arriving: list[_Pending] = []
        self._queue: SimpleQueue[list[_Pending] | None] = SimpleQueue()
        self._under_way = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = Thread(target=self._work, name="parley-store-writer", daemon=True)

    async def open(self) -> None:
        """Connect and start the thread."""
        await asyncio.to_thread(self._committer.open)
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """Commit and answer what has been taken, then stop the thread and disconnect. Takes no more."""
        if self._loop is None:
            return
        self._capacity = 0
        self._pass_on()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._committer.close()

    async def write(self, work: Work[Result]) -> Result:
        """Run a unit and commit it. Cancelled before the unit has begun, it is never run; after that it is committed.

        Raises what the unit raises, or `StoreUnavailable`.
        """
        if self._loop is None or self._under_way >= self._capacity:
            raise StoreUnavailable
        caller: asyncio.Future[Result] = self._loop.create_future()
        self._under_way += 1
        if not self._arriving:
            self._loop.call_soon(self._pass_on)
        self._arriving.append(_Pending(work, caller))
        return await caller

    def _pass_on(self) -> None:
        """Once in a turn of the loop: callers that were answered together come back together, and form one batch."""
        if self._arriving:
            self._queue.put(self._arriving)
            self._arriving = []

    def _work(self) -> None:
        backlog: deque[_Pending] = deque()
        is_last = False
        while backlog or not is_last:
            is_last = self._gather(backlog, is_last=is_last)
            batch = [backlog.popleft() for _ in range(min(len(backlog), self._batch_limit))]
            # A future is cancelled on the loop's thread; here it is only looked at.
            wanted = [pending for pending in batch if not pending.caller.cancelled()]
            answers = self._committer.commit([pending.work for pending in wanted]) if wanted else []
            self._hand_over(len(batch), wanted, answers)

    def _gather(self, backlog: deque[_Pending], *, is_last: bool) -> bool:
        """Add what has arrived to the backlog, waiting if there is none; returns whether no more will come."""
        while not is_last:
            try:
                arrived = self._queue.get(block=not backlog)
            except Empty:
                return False
            is_last = arrived is None
            backlog.extend(arrived or ())
        return True

    def _hand_over(self, taken: int, answered: list[_Pending], answers: list[Answer]) -> None:
        assert self._loop is not None  # noqa: S101 - set before the thread starts
        try:
            self._loop.call_soon_threadsafe(self._answer, taken, answered, answers)
        except RuntimeError:
            # The loop is closed: nobody is left to be told. What was committed stays.
            return

    def _answer(self, taken: int, answered: list[_Pending], answers: list[Answer]) -> None:
        """On the loop, once a batch: publish in the order of the commit, then let the callers go on."""
        self._under_way -= taken
        events = [event for answer in answers if isinstance(answer, Outcome) for event in answer.events]
        if events:
            self._publish(events)
        for pending, answer in zip(answered, answers, strict=True):
            _settle(pending.caller, answer)


def _settle(caller: asyncio.Future[Any], answer: Answer) -> None:
    if caller.done():
        return
    if isinstance(answer, Outcome):
        caller.set_result(answer.result)
    elif isinstance(answer, asyncio.CancelledError):
        caller.cancel()
    else:
        caller.set_exception(answer)
