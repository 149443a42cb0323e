"""Use cases of streams: follow a run or a conversation from any point of its log, without gap or repeat."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from server.application.conversations import find
from server.application.kept_events import require_kept
from server.application.run_lookup import find_run, parked_ahead
from server.application.viewpoints import find_answer
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, CursorInFuture, ShuttingDown
from server.domain.events import Draining, Event, RunEnded, Shown, weight
from server.domain.ids import RunId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.domain.run import Run
from server.ports.feed import Feed, Subscription, SubscriptionLagged
from server.ports.store import Store, Transaction

_CATCH_UP_PAGE = 500
# How many events the first page of a catch-up may have; what they weigh says how many the next one may.
_FIRST_PAGE = 32


@dataclass(frozen=True, slots=True)
class _CatchUp:
    """A page of the log, and where to go on behind it."""

    events: list[Event]
    cursor: int
    """Nothing that is to be shown stands between the page's last event and this sequence."""
    has_more: bool
    is_over: bool
    """Whether the followed run is over, so that nothing comes after its last page."""


class _Pulse:
    """When a stream has shown nothing for so long that it must show that it lives. Going back to the store is no sign
    of life, so this outlasts it."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._time = asyncio.get_running_loop().time
        self.reset()

    @property
    def remaining(self) -> float:
        """Seconds until a heartbeat is due; 0 when it is."""
        return max(0.0, self._due - self._time())

    def reset(self) -> None:
        """Something was shown."""
        self._due = self._time() + self._interval


class Streams:
    """Live views of the event log.

    When the process is to stop, every stream says so with its cursor, so that its reader can go on elsewhere at once or
    stay until the end: `drain`. What is still open in the end is cut with a reason: `stop`.
    """

    def __init__(self, *, store: Store, feed: Feed, limits: Limits) -> None:
        self._store = store
        self._feed = feed
        self._limits = limits
        self._is_draining = False
        self._is_stopped = False

    def drain(self) -> None:
        """Tell every stream, and those that are opened from now on, that they will be cut."""
        self._is_draining = True
        self._feed.resync_all()

    def stop(self) -> None:
        """Cut every stream with `ShuttingDown` as soon as it has shown what is in the log."""
        self._is_stopped = True
        self._feed.resync_all()

    async def run(self, owner: Owner, run_id: RunId, *, after: int) -> AsyncGenerator[Shown, None]:
        """Events of one run behind a sequence, to its end.

        Raises `RunNotFound` (also when its conversation is deleted meanwhile), `CursorInFuture`, `CursorExpired`,
        `ShuttingDown`.
        """

        async def unit(tx: Transaction) -> Conversation:
            run = await find_run(tx, run_id)
            conversation = await tx.conversations.by_id(run.conversation_id)
            if conversation is None:
                raise ConversationNotFound(run.conversation_key)
            return conversation

        conversation = await self._store.read(owner, unit)
        async with aclosing(self._follow(owner, conversation, after, run_id)) as events:
            async for event in events:
                yield event
                if isinstance(event, Event) and isinstance(event.payload, RunEnded):
                    return

    async def parked_ahead(self, owner: Owner, run_id: RunId) -> Run | None:
        """The run that waits for a person or a client, so that nothing is to be seen of a run: that run, or the one
        before it in the queue. Raises `RunNotFound`."""
        return await self._store.read(owner, lambda tx: parked_ahead(tx, run_id))

    async def seen(self, owner: Owner, key: str, content: str, *, after: int) -> Run:
        """The run of a message of that content that somebody has followed up to the event `after`.

        Raises `ConversationNotFound`, `AnswerNotFound`, `CursorInFuture`, `CursorExpired`.
        """
        return await self._store.read(owner, lambda tx: find_answer(tx, key, content, seen=after))

    async def watch(self, owner: Owner, key: str, *, after: int) -> AsyncGenerator[Shown, None]:
        """Every event of a conversation behind a sequence, without end.

        Raises `ConversationNotFound` (also when it is deleted while being watched), `CursorInFuture`,
        `CursorExpired`, `ShuttingDown`.
        """
        conversation = await self._store.read(owner, lambda tx: find(tx, key))
        async with aclosing(self._follow(owner, conversation, after, None)) as events:
            async for event in events:
                yield event

    async def _follow(
        self, owner: Owner, conversation: Conversation, after: int, run_id: RunId | None
    ) -> AsyncGenerator[Shown, None]:
        """The log behind `after`, then what is published; back to the log whenever the feed has a gap, and after every
        heartbeat, so that nothing that a feed fails to tell is missed for longer."""
        if after > conversation.last_sequence:
            raise CursorInFuture(cursor=after, last=conversation.last_sequence)
        cursor, size, was_told = after, self._next_size([]), False
        pulse = _Pulse(self._limits.stream_heartbeat.total_seconds())
        async with self._feed.subscribe(conversation.id) as subscription:
            while True:
                page = await self._catch_up(owner, conversation, cursor, run_id, limit=size)
                size = self._next_size(page.events)
                for stored in page.events:
                    yield stored
                    pulse.reset()
                cursor = page.cursor
                if page.has_more:
                    continue
                if page.is_over:
                    return
                if self._is_draining and not was_told:
                    was_told = True
                    yield Draining(cursor)
                if self._is_stopped:
                    raise ShuttingDown
                async with aclosing(self._live(subscription, cursor, run_id, pulse)) as events:
                    async for event in events:
                        yield event
                        cursor = event.sequence if event else cursor

    async def _live(
        self, subscription: Subscription, cursor: int, run_id: RunId | None, pulse: "_Pulse"
    ) -> AsyncGenerator[Event | None, None]:
        """Published events behind `cursor` as long as they follow each other, those of other runs left out. Ends at
        the first gap, or with a heartbeat when there was nothing to show for so long."""
        try:
            while batch := await subscription.next(pulse.remaining):
                for event in batch:
                    if event.sequence <= cursor:
                        continue
                    if event.sequence != cursor + 1:
                        return
                    cursor = event.sequence
                    if run_id is None or event.run_id == run_id:
                        yield event
                        pulse.reset()
                if not pulse.remaining:
                    break
        except SubscriptionLagged:
            return
        yield None
        pulse.reset()

    def _next_size(self, events: list[Event]) -> int:
        """How many events a page may have whose reader is perhaps slow: as many of the last page's kind as may lie in
        the buffer of a reader."""
        if not events:
            return min(_FIRST_PAGE, _CATCH_UP_PAGE)
        average = sum(map(weight, events)) / len(events)
        return max(1, min(int(self._limits.stream_buffer_bytes / average), _CATCH_UP_PAGE))

    async def _catch_up(
        self, owner: Owner, conversation: Conversation, cursor: int, run_id: RunId | None, *, limit: int
    ) -> _CatchUp:
        async def unit(tx: Transaction) -> _CatchUp:
            run = None if run_id is None else await find_run(tx, run_id)
            found = await tx.conversations.by_id(conversation.id)
            if found is None:
                raise ConversationNotFound(conversation.key)
            if run is None:
                events = await tx.events.after(found.id, cursor, limit=limit)
            else:
                events = await tx.events.of_run_after(run.id, cursor, limit=limit)
            await require_kept(tx, found, events, after=cursor, run=run)
            has_more = len(events) == limit
            return _CatchUp(
                events,
                cursor=events[-1].sequence if has_more else found.last_sequence,
                has_more=has_more,
                is_over=run is not None and run.state.is_terminal,
            )

        return await self._store.read(owner, unit)
