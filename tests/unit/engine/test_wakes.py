"""What other processes have stored is looked up at once, or a little later where it may come by another way."""

import asyncio
from datetime import timedelta

from server.adapters.feed.local import LocalFeed
from server.domain.ids import ConversationId
from server.engine.wakes import Wakes

HERE, THERE = ConversationId("here"), ConversationId("there")


class CountingFeed(LocalFeed):
    """Counts who was sent to the store."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[ConversationId] = []

    def resync(self, conversation_id: ConversationId) -> None:
        self.sent.append(conversation_id)


async def test_readers_go_to_the_store_at_once_and_the_publisher_is_woken() -> None:
    feed, outbox = CountingFeed(), asyncio.Event()
    Wakes(feed, outbox=outbox).events_stored(HERE)
    assert feed.sent == [HERE]
    assert outbox.is_set()


async def test_with_patience_many_notices_send_them_once() -> None:
    feed, outbox = CountingFeed(), asyncio.Event()
    wakes = Wakes(feed, outbox=outbox, patience=timedelta(milliseconds=20))
    for _ in range(5):
        wakes.events_stored(HERE)
        wakes.events_stored(THERE)
    assert feed.sent == []
    assert outbox.is_set()
    async with asyncio.timeout(20):
        while len(feed.sent) < 2:  # noqa: ASYNC110 - the loop's timer does it
            await asyncio.sleep(0.005)
    assert sorted(feed.sent) == [HERE, THERE]
    wakes.events_stored(HERE)
    async with asyncio.timeout(20):
        while len(feed.sent) < 3:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.005)
    assert feed.sent[2:] == [HERE]


async def test_lost_news_wake_the_publisher() -> None:
    outbox = asyncio.Event()
    Wakes(LocalFeed(), outbox=outbox).news_lost()
    assert outbox.is_set()
