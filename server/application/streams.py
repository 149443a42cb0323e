"""Use cases of streams: follow a run or a conversation from any point of its log, without gap or repeat."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from server.application.runs import find_run
from server.application.threads import find
from server.domain.conversation import Conversation
from server.domain.errors import ConversationNotFound, CursorInFuture
from server.domain.events import Event, RunEnded
from server.domain.ids import ConversationId, RunId
from server.domain.limits import Limits
from server.domain.principal import Owner
from server.ports.feed import Feed, Subscription, SubscriptionLagged
from server.ports.store import Store, Transaction

_CATCH_UP_PAGE = 500


@dataclass(frozen=True, slots=True)
class _CatchUp:
    """A page of the log, and the newest sequence at that moment."""

    events: list[Event]
    last_sequence: int
    is_over: bool
    """Whether the followed run is over and nothing can come after this page."""


class Streams:
    """Live views of the event log."""

    def __init__(self, *, store: Store, feed: Feed, limits: Limits) -> None:
        self._store = store
        self._feed = feed
        self._limits = limits

    async def run(self, owner: Owner, run_id: RunId, *, after: int) -> AsyncGenerator[Event | None, None]:
        """Events of one run behind a sequence, to its end; `None` is a heartbeat.

        Raises `RunNotFound`, `CursorInFuture`.
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
                if event is not None and isinstance(event.payload, RunEnded):
                    return

    async def watch(self, owner: Owner, key: str, *, after: int) -> AsyncGenerator[Event | None, None]:
        """Every event of a conversation behind a sequence, without end; `None` is a heartbeat.

        Raises `ConversationNotFound` (also when it is deleted while being watched), `CursorInFuture`.
        """
        conversation = await self._store.read(owner, lambda tx: find(tx, key))
        async with aclosing(self._follow(owner, conversation, after, None)) as events:
            async for event in events:
                yield event

    async def _follow(
        self, owner: Owner, conversation: Conversation, after: int, run_id: RunId | None
    ) -> AsyncGenerator[Event | None, None]:
        """The log behind `after`, then what is published; back to the log whenever the feed has a gap."""
        if after > conversation.last_sequence:
            raise CursorInFuture(cursor=after, last=conversation.last_sequence)
        cursor = after
        async with self._feed.subscribe(conversation.id) as subscription:
            while True:
                page = await self._catch_up(owner, conversation.id, cursor, run_id)
                for stored in page.events:
                    yield stored
                if len(page.events) == _CATCH_UP_PAGE:
                    cursor = page.events[-1].sequence
                    continue
                if page.is_over:
                    return
                cursor = page.last_sequence
                async with aclosing(self._live(subscription, cursor)) as events:
                    async for event in events:
                        if event is None:
                            yield None
                            continue
                        cursor = event.sequence
                        if run_id is None or event.run_id == run_id:
                            yield event

    async def _live(self, subscription: Subscription, cursor: int) -> AsyncGenerator[Event | None, None]:
        """Published events behind `cursor` as long as they follow each other; ends at the first gap."""
        heartbeat = self._limits.stream_heartbeat.total_seconds()
        while True:
            try:
                batch = await subscription.next(heartbeat)
            except SubscriptionLagged:
                return
            if batch is None:
                yield None
                continue
            for event in batch:
                if event.sequence <= cursor:
                    continue
                if event.sequence != cursor + 1:
                    return
                cursor = event.sequence
                yield event

    async def _catch_up(
        self, owner: Owner, conversation_id: ConversationId, cursor: int, run_id: RunId | None
    ) -> _CatchUp:
        async def unit(tx: Transaction) -> _CatchUp:
            conversation = await tx.conversations.by_id(conversation_id)
            if conversation is None:
                raise ConversationNotFound(conversation_id)
            if run_id is None:
                events = await tx.events.after(conversation_id, cursor, limit=_CATCH_UP_PAGE)
                return _CatchUp(events, conversation.last_sequence, is_over=False)
            run = await find_run(tx, run_id)
            events = await tx.events.of_run_after(run_id, cursor, limit=_CATCH_UP_PAGE)
            return _CatchUp(events, conversation.last_sequence, is_over=run.state.is_terminal)

        return await self._store.read(owner, unit)
