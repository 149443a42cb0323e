"""The feed of one process: order, bounds, and that a slow reader costs nobody else anything."""

from datetime import UTC, datetime

import pytest

from server.adapters.feed.local import LocalFeed
from server.domain.events import Event, TextDelta
from server.domain.ids import ConversationId, MessageId
from server.domain.limits import Limits
from server.ports.feed import SubscriptionLagged

HERE = ConversationId("here")
THERE = ConversationId("there")


def delta(sequence: int, text: str = "x", conversation: ConversationId = HERE) -> Event:
    return Event(conversation, conversation, sequence, datetime.now(UTC), TextDelta(MessageId("m"), text))


async def test_a_reader_sees_what_is_published_after_it_came_in_order() -> None:
    feed = LocalFeed()
    feed.publish([delta(1)])
    async with feed.subscribe(HERE) as reader:
        feed.publish([delta(2), delta(1, conversation=THERE)])
        feed.publish([delta(3)])
        seen = await reader.next(1)
    assert seen is not None
    assert [event.sequence for event in seen] == [2, 3]


async def test_a_quiet_feed_answers_none_when_the_time_is_over() -> None:
    async with LocalFeed().subscribe(HERE) as reader:
        assert await reader.next(0.001) is None


async def test_a_slow_reader_is_told_that_it_lagged_and_the_others_see_everything() -> None:
    feed = LocalFeed(limits=Limits(stream_buffer_bytes=2000))
    async with feed.subscribe(HERE) as slow, feed.subscribe(HERE) as quick:
        seen: list[int] = []
        for sequence in range(1, 21):
            feed.publish([delta(sequence, "y" * 100)])
            seen.extend(event.sequence for event in await quick.next(1) or ())
        assert seen == list(range(1, 21))
        with pytest.raises(SubscriptionLagged):
            await slow.next(1)
        feed.publish([delta(21)])
        caught_up = await slow.next(1)
        assert caught_up is not None
        assert [event.sequence for event in caught_up] == [21]


async def test_what_a_lagging_reader_was_not_given_does_not_fill_its_buffer() -> None:
    feed = LocalFeed(limits=Limits(stream_buffer_bytes=2000))
    async with feed.subscribe(HERE) as reader:
        feed.resync(HERE)
        for sequence in range(1, 6):
            feed.publish([delta(sequence, "y" * 100)])
        with pytest.raises(SubscriptionLagged):
            await reader.next(1)
        feed.publish([delta(6, "y" * 100)])
        seen = await reader.next(1)
        assert seen is not None
        assert [event.sequence for event in seen] == [6]


async def test_a_resync_sends_waiting_and_later_readers_back_to_the_store() -> None:
    feed = LocalFeed()
    async with feed.subscribe(HERE) as reader:
        feed.publish([delta(1)])
        feed.resync(HERE)
        with pytest.raises(SubscriptionLagged):
            await reader.next(1)
    feed.resync(HERE)


async def test_a_reader_that_left_leaves_nothing_behind() -> None:
    feed = LocalFeed()
    async with feed.subscribe(HERE):
        pass
    assert feed._readers == {}
